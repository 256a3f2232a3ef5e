//! The two naming conventions of tensors.

/// The naming convention of a part's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// The names of diffusers and transformers.
    Diffusers,
    /// The names of the original code: LDM, OpenCLIP, TAESD.
    Ldm,
}
