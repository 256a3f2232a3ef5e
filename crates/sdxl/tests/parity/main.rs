//! Every stage of the model, and whole pictures, against diffusers and transformers.
//!
//! The fixtures are made by `tests/reference/export_tiny.py`, `export_tokens.py` and `export_added_tokens.py`.
//! `cargo test --release -p sdxl --test parity -- --nocapture` prints the largest deviation of each stage.

mod added_tokens;
mod fixture;
mod large_tables;
mod layouts;
mod pictures;
mod previews;
mod text;
mod tokens;
mod unet;
mod vae;
