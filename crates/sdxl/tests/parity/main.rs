//! Every stage of the model, and whole pictures, against diffusers and transformers.
//!
//! The fixtures are made by `tests/reference/export_tiny.py`, `export_families.py`, `export_tokens.py`,
//! `export_added_tokens.py`, `export_lora.py`, `export_prompts.py` and `export_inversions.py`.
//! `cargo test --release -p sdxl --test parity -- --nocapture` prints the largest deviation of each stage.

mod added_tokens;
mod families;
mod fixture;
mod inversions;
mod large_tables;
mod layouts;
mod lora;
mod pictures;
mod previews;
mod prompts;
mod text;
mod tokens;
mod unet;
mod vae;
