//! Parts, layouts and model families.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One network of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The denoising network (diffusers' UNet2DConditionModel).
    Unet,
    /// The VAE (AutoencoderKL).
    Vae,
    /// CLIP ViT-L's text model (CLIPTextModel).
    TextEncoder,
    /// OpenCLIP bigG's text model with its projection (CLIPTextModelWithProjection).
    #[serde(rename = "text_encoder_2")]
    TextEncoder2,
    /// The small preview VAE (AutoencoderTiny). Only its decoder is loaded.
    Taesd,
}

impl Part {
    /// All parts, in loading order.
    pub const ALL: [Self; 5] = [Self::TextEncoder, Self::TextEncoder2, Self::Unet, Self::Vae, Self::Taesd];

    /// The part's folder in a diffusers folder: "unet", "text_encoder_2".
    pub fn folder(self) -> &'static str {
        match self {
            Self::Unet => "unet",
            Self::Vae => "vae",
            Self::TextEncoder => "text_encoder",
            Self::TextEncoder2 => "text_encoder_2",
            Self::Taesd => "taesd",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.folder())
    }
}

/// How a checkpoint is stored on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// One safetensors file with LDM names (`model.diffusion_model.`, ...).
    SingleFile,
    /// A folder with model_index.json and one subfolder per part.
    Diffusers,
    /// The weights of a single part, in either naming.
    Part,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SingleFile => "single file",
            Self::Diffusers => "diffusers folder",
            Self::Part => "one part",
        })
    }
}

/// The model family of a checkpoint, derived from its tensor names and shapes or its model_index.json.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Family {
    /// Stable Diffusion XL base, or a fine-tune of it.
    Sdxl,
    /// SDXL with nine input channels.
    SdxlInpaint,
    /// The SDXL refiner: one text encoder, 384 channels.
    SdxlRefiner,
    /// Stable Diffusion 1.x.
    Sd1,
    /// Stable Diffusion 2.x.
    Sd2,
    /// Stable Diffusion 3.x.
    Sd3,
    /// Flux.
    Flux,
    /// A LoRA, LoHa or LoKr: changes to a model, not a whole model.
    Lora,
    /// A ControlNet or T2I adapter.
    ControlNet,
    /// A textual inversion: word embeddings, not a model.
    TextualInversion,
    /// Only a VAE.
    Vae,
    /// Only a TAESD.
    Taesd,
    /// Only the encoder of a TAESD, which is not used.
    TaesdEncoder,
    /// Only the UNet of an SDXL checkpoint: ComfyUI's `unet` folder, and most GGUF files.
    SdxlUnet,
    /// Only a text encoder or another part, or another UNet.
    Component,
    /// None of these.
    Unknown,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sdxl => "an SDXL checkpoint",
            Self::SdxlInpaint => "an SDXL inpainting checkpoint",
            Self::SdxlRefiner => "an SDXL refiner",
            Self::Sd1 => "a Stable Diffusion 1 checkpoint",
            Self::Sd2 => "a Stable Diffusion 2 checkpoint",
            Self::Sd3 => "a Stable Diffusion 3 checkpoint",
            Self::Flux => "a Flux checkpoint",
            Self::Lora => "a LoRA",
            Self::ControlNet => "a ControlNet",
            Self::TextualInversion => "a textual inversion",
            Self::Vae => "a VAE alone",
            Self::Taesd => "a TAESD alone",
            Self::TaesdEncoder => "the encoder of a TAESD alone",
            Self::SdxlUnet => "an SDXL UNet without text encoders and VAE",
            Self::Component => "one part of a model",
            Self::Unknown => "no model that is known here",
        })
    }
}
