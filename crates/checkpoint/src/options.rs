//! Options for opening a checkpoint.

/// Options for opening a checkpoint.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Prefer `.fp16.` files if a folder has both kinds. Otherwise they are used only if there are no others.
    pub prefer_fp16: bool,
}
