//! How a step's estimate becomes a preview.

use crate::names::named;

named! {
    /// How a step's estimate becomes a preview.
    #[derive(Default)]
    PreviewMethod, "preview method":
    /// `taesd` where the model has one and the device is quick enough, else `latent2rgb`.
    #[default]
    Auto = "auto",
    /// A matrix: fast, coarse, at the latent's size.
    Latent2Rgb = "latent2rgb",
    /// A tiny decoder: slower, sharper.
    Taesd = "taesd",
    /// The first preview stays until the picture is there.
    None = "none",
}
