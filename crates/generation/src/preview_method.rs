//! Preview methods.

use crate::names::named;

named! {
    /// Method that turns a step's estimate into a preview.
    #[derive(Default)]
    PreviewMethod, "preview method":
    /// `taesd` if the model has one and the device is fast enough, otherwise `latent2rgb`.
    #[default]
    Auto = "auto",
    /// Linear projection of the latent to RGB: fast, coarse, at the latent's size.
    Latent2Rgb = "latent2rgb",
    /// TAESD decoder: slower, sharper.
    Taesd = "taesd",
    /// No step previews: the first preview stays until the picture is complete.
    None = "none",
}
