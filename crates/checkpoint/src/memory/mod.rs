//! How much memory a picture takes, from the sizes of tensors alone.

mod walk;

use crate::{Dtype, Part, shape::Shape};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
};
use walk::{decode_bytes, denoise_bytes, prompt_bytes};

/// Tokens of a prompt where no text encoder tells how many it takes.
const TOKENS: usize = 77;

/// What computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputesOn {
    /// A device through wgpu: a convolution reads a copy with the channels innermost, a norm writes out what is
    /// left without the mean, and its squares.
    Gpu,
    /// The processor's own kernels: a norm works in place, a convolution reads a copy with zeros around it.
    Processor,
}

/// What a picture is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySettings {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Number format of the UNet and the text encoders. The VAE and TAESD are f32 always.
    pub dtype: Dtype,
    /// Pictures in one pass of the UNet: 2 where guidance takes both prompts at once.
    pub batch: u32,
    /// What computes.
    pub on: ComputesOn,
    /// Bytes that one activation of the VAE may take: it decodes in one piece up to there, past it in tiles.
    pub largest_activation: u64,
}

impl MemorySettings {
    /// The bound of the crate `sdxl`: what SDXL's decoder needs at 1024 x 1024.
    pub const LARGEST_ACTIVATION: u64 = 1 << 30;

    /// f16 on a GPU, guidance in one pass.
    pub fn gpu(width: u32, height: u32) -> Self {
        let largest_activation = Self::LARGEST_ACTIVATION;
        Self { width, height, dtype: Dtype::F16, batch: 2, on: ComputesOn::Gpu, largest_activation }
    }

    /// Computing in f32 on the processor, guidance in one pass.
    pub fn processor(width: u32, height: u32) -> Self {
        Self { dtype: Dtype::F32, on: ComputesOn::Processor, ..Self::gpu(width, height) }
    }
}

/// The memory that making a picture takes, bytes.
///
/// Counted are all weights, which stay from the first picture to the last, the text's keys and values, and at each
/// moment of a UNet's pass and of the VAE's decoding the tensors of a picture's size that live: what is held for
/// later (skips, residuals), what an operation reads, its copy in another order where it needs one, and what it
/// writes. On a GPU no operation is taken to work in place or to be fused with its neighbours, but attention, which
/// never has all its scores (one head of the VAE's has slices of them).
///
/// Left out, because no size tells them: what the allocator's pages lose and keep of a pass that is over, kernels,
/// and what is tried when kernels are chosen for a size for the first time: a convolution's input then stays beside
/// its copy. Left out because they are small: embeddings, the sampler's latents, previews. Left out because it takes
/// about what decoding does: the encoding of a picture to start from. Heads that are not 64 wide may have no fused
/// attention, and take more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryEstimate {
    /// Weights, by part. The processor holds them once, packed, and those that stay narrow in 16 bits.
    pub weights: BTreeMap<Part, u64>,
    /// Keys and values of the text, made once for all steps and there until the picture is; for both prompts of as
    /// many tokens as the text encoders take at once (77). Longer ones take as many times more.
    pub prompt: u64,
    /// Over these, what the largest moment of a UNet's pass takes.
    pub denoise: u64,
    /// Over these, what the largest moment of the VAE's decoding takes.
    pub decode: u64,
    /// All weights, the prompts, and the larger of the two moments.
    pub peak: u64,
}

impl MemoryEstimate {
    /// For a model of these shapes, `narrow` of whose parameters stay in 16 bits on the processor
    /// ([`crate::Plan::narrow_parameters`]); none without a UNet or a VAE.
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
        let prompt = prompt_bytes(unet, tokens, settings);
        let (denoise, decode) = (denoise_bytes(unet, settings), decode_bytes(vae, settings));
        let peak = weights.values().sum::<u128>() + prompt + denoise.max(decode);
        // Sizes that no file has would pass 64 bits.
        let bytes = |exact: u128| u64::try_from(exact).unwrap_or(u64::MAX);
        Some(Self {
            weights: weights.into_iter().map(|(part, exact)| (part, bytes(exact))).collect(),
            prompt: bytes(prompt),
            denoise: bytes(denoise),
            decode: bytes(decode),
            peak: bytes(peak),
        })
    }
}

fn weight_bytes(part: Part, shape: &Shape, dtype: Dtype) -> u128 {
    let dtype = match part {
        Part::Vae | Part::Taesd => Dtype::F32,
        Part::Unet | Part::TextEncoder | Part::TextEncoder2 => dtype,
    };
    let numbers = |shape: &[usize]| shape.iter().map(|&side| side as u128).product::<u128>();
    shape.expected().iter().map(|parameter| numbers(&parameter.shape)).sum::<u128>() * u128::from(dtype.bytes())
}

/// What a picture of the size that a model was trained for takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryReport {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// On a GPU, in f16.
    pub gpu_f16: MemoryEstimate,
    /// On the processor, computing in f32.
    pub processor_f32: MemoryEstimate,
}

impl MemoryReport {
    /// As [`MemoryEstimate::new`], of both.
    pub fn new(
        shapes: &BTreeMap<Part, Shape>,
        narrow: &BTreeMap<Part, u64>,
        [width, height]: [u32; 2],
    ) -> Option<Self> {
        Some(Self {
            width,
            height,
            gpu_f16: MemoryEstimate::new(shapes, narrow, &MemorySettings::gpu(width, height))?,
            processor_f32: MemoryEstimate::new(shapes, narrow, &MemorySettings::processor(width, height))?,
        })
    }
}

impl Display for MemoryReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { width, height, gpu_f16, processor_f32 } = self;
        let (gpu, processor) = (Binary(gpu_f16.peak), Binary(processor_f32.peak));
        write!(f, "{width} x {height}: about {gpu} in f16 on a GPU, {processor} on the processor")
    }
}

/// "9.6 GiB", or "31 MiB".
struct Binary(u64);

impl Display for Binary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 >> 30 {
            0 => write!(f, "{} MiB", self.0.div_ceil(1 << 20)),
            _ => write!(f, "{:.1} GiB", self.0 as f64 / f64::from(1 << 30)),
        }
    }
}
