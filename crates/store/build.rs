//! Compiles the crate again when a migration is added: the macro that embeds them sees only files that were
//! there when it ran.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
