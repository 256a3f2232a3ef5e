//! Estimates the memory of a generation from the sizes of tensors.
//!
//! The estimate follows the forward passes: [`Unet`](crate::Unet) and [`Vae`](crate::Vae) each have a module `memory`
//! beside them, which walks through the same layers in the same order and uses the same tiles and slices.

mod report;

pub use report::MemoryReport;

use crate::{
    nn::{ComputesOn, Live, WIDE},
    unet, vae,
};
use checkpoint::{Dtype, Part, Shape};
use serde::Serialize;
use std::collections::BTreeMap;

/// Tokens of a prompt, for a model without a text encoder.
const TOKENS: usize = 77;

/// Settings of a generation that its memory depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySettings {
    /// Picture width in pixels.
    pub width: u32,
    /// Picture height in pixels.
    pub height: u32,
    /// Number format of the UNet and the text encoders. The VAE and TAESD always use f32.
    pub dtype: Dtype,
    /// Batch size of the UNet: 2 when guidance evaluates both prompts at once.
    pub batch: u32,
    /// The kind of device.
    pub on: ComputesOn,
    /// Largest activation of the VAE in bytes. A larger picture is decoded in tiles.
    pub largest_activation: u64,
}

impl MemorySettings {
    /// The default for `largest_activation`: what SDXL's decoder needs at 1024 x 1024.
    pub const LARGEST_ACTIVATION: u64 = vae::LARGEST_ACTIVATION;

    /// f16 on a GPU, with guidance in one batch.
    pub fn gpu(width: u32, height: u32) -> Self {
        let largest_activation = Self::LARGEST_ACTIVATION;
        Self { width, height, dtype: Dtype::F16, batch: 2, on: ComputesOn::Gpu, largest_activation }
    }

    /// f32 on the CPU, with guidance in one batch.
    pub fn processor(width: u32, height: u32) -> Self {
        Self { dtype: Dtype::F32, on: ComputesOn::Processor, ..Self::gpu(width, height) }
    }

    /// Height and width of the latent.
    fn latent_sides(&self) -> [u128; 2] {
        [self.height, self.width].map(|side| u128::from(side) / vae::FACTOR as u128)
    }
}

/// Memory of a generation, bytes.
///
/// Counts all weights, which stay loaded; the keys and values of the prompts; and the largest moment of a UNet evaluation
/// and of the VAE's decoding. A moment counts the tensors of the picture's size that are alive: held for later (skips,
/// residuals), the input of an operation, its copy in another memory order, and its result. On a GPU no operation is assumed
/// to work in place or to be fused, except attention, which never stores all its scores (the VAE's one-head attention stores
/// slices of them).
///
/// Not counted, because sizes do not determine it: memory that the allocator loses or keeps, kernels, and the autotuning of kernels
/// for a new size, which keeps a convolution's input beside its copy. Does not count small tensors: embeddings, the
/// sampler's latents, previews. Encoding an initial image takes about as much as decoding. Attention with heads that are not
/// 64 wide may not be fused and then takes more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryEstimate {
    /// Weights by part. The CPU holds them once, packed; large parameters of 16-bit files stay in 16 bits.
    pub weights: BTreeMap<Part, u64>,
    /// Keys and values of both prompts, computed once for all steps, for the number of tokens that a text encoder takes at
    /// once (77). Longer prompts take a multiple.
    pub prompt: u64,
    /// The largest moment of a UNet evaluation, in addition to weights and prompts.
    pub denoise: u64,
    /// The largest moment of the VAE's decoding, in addition to weights and prompts.
    pub decode: u64,
    /// Weights, prompts, and the larger of the two moments.
    pub peak: u64,
}

impl MemoryEstimate {
    /// Estimates a model with these shapes. `narrow` is the number of parameters by part that stay in 16 bits on the CPU
    /// ([`checkpoint::Plan::narrow_parameters`]). None without a UNet or a VAE.
    pub fn new(
        shapes: &BTreeMap<Part, Shape>,
        narrow: &BTreeMap<Part, u64>,
        settings: &MemorySettings,
    ) -> Option<Self> {
        let (Some(Shape::Unet(unet)), Some(Shape::Vae(vae))) = (shapes.get(&Part::Unet), shapes.get(&Part::Vae)) else {
            return None;
        };
        let bytes_of = |part: Part, shape| {
            let bytes = weight_bytes(part, shape, settings.dtype);
            match settings.on {
                ComputesOn::Gpu => bytes,
                ComputesOn::Processor => bytes.saturating_sub(2 * u128::from(narrow.get(&part).copied().unwrap_or(0))),
            }
        };
        let weights: BTreeMap<Part, u128> = shapes.iter().map(|(&part, shape)| (part, bytes_of(part, shape))).collect();
        let tokens = match shapes.get(&Part::TextEncoder) {
            Some(Shape::Text(text)) => text.max_position_embeddings,
            _ => TOKENS,
        };
        let prompt = unet::prompt_values(unet, tokens) * u128::from(settings.dtype.bytes());
        let mut live = Live::new(settings.on, settings.dtype.bytes().into());
        unet::walk_forward(&mut live, unet, settings.latent_sides(), settings.batch.into());
        let denoise = live.largest;
        let mut live = Live::new(settings.on, WIDE);
        vae::walk_decode(&mut live, vae, settings.latent_sides(), settings.largest_activation);
        let decode = live.largest;
        let peak = weights.values().sum::<u128>() + prompt + denoise.max(decode);
        // Unrealistic sizes may exceed 64 bits.
        let bytes = |exact: u128| u64::try_from(exact).unwrap_or(u64::MAX);
        Some(Self {
            weights: weights.into_iter().map(|(part, exact)| (part, bytes(exact))).collect(),
            prompt: bytes(prompt),
            denoise: bytes(denoise),
            decode: bytes(decode),
            peak: bytes(peak),
        })
    }

    /// The estimate with `bytes` more for networks with LoRA files ([`Pipeline::networks_bytes`](crate::Pipeline)).
    pub fn with_networks(mut self, bytes: u64) -> Self {
        self.peak = self.peak.saturating_add(bytes);
        self
    }
}

fn weight_bytes(part: Part, shape: &Shape, dtype: Dtype) -> u128 {
    let dtype = match part {
        Part::Vae | Part::Taesd => Dtype::F32,
        Part::Unet | Part::TextEncoder | Part::TextEncoder2 => dtype,
    };
    shape.parameters() * u128::from(dtype.bytes())
}
