//! Output of a run: the tensor dump, the JSON report and the progress bar.

use super::GenerateArgs;
use anyhow::{Context, Result};
use generation::Loras;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use protocol::FieldError;
use safetensors::{Dtype, tensor::TensorView};
use sdxl::{Compute, Embeddings, HostTensor, Output, Params, Precision};
use serde::Serialize;
use std::{fs, path::Path};

/// The object that `--json` prints.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    pub model: &'a Path,
    pub device: String,
    pub dtype: &'static str,
    pub width: u32,
    pub height: u32,
    pub steps: u32,
    pub seed: u64,
    pub sampler: &'static str,
    pub scheduler: &'static str,
    /// LoRA files with their weights and hashes.
    pub loras: &'a Loras,
    /// Warnings by field: what the picture may show differently from the request.
    pub warnings: Vec<FieldError>,
    pub timings: Times,
    pub peak_rss_bytes: Option<u64>,
    /// Bytes reserved by the GPU's memory pool; absent on the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_reserved_bytes: Option<u64>,
    pub out: &'a Path,
}

/// Durations in seconds. The device is synchronised at the end of each phase.
#[derive(Debug, Default, Serialize)]
pub struct Times {
    pub load_s: f64,
    /// Applying LoRA files.
    pub lora_s: f64,
    pub text_encode_s: f64,
    pub steps_s: Vec<f64>,
    pub preview_s: Vec<f64>,
    pub decode_s: f64,
    pub total_s: f64,
}

impl<'a> Report<'a> {
    pub fn new(args: &'a GenerateArgs, params: &'a Params, compute: &Compute, precision: Precision) -> Self {
        Self {
            model: args.model.path(),
            device: compute.info.to_string(),
            dtype: precision.name(),
            width: params.width,
            height: params.height,
            steps: params.steps,
            seed: params.seed,
            sampler: params.sampler.as_str(),
            scheduler: params.scheduler.as_str(),
            loras: &params.loras,
            warnings: Vec::new(),
            timings: Times::default(),
            peak_rss_bytes: None,
            device_reserved_bytes: None,
            out: &args.out,
        }
    }
}

/// Peak resident memory in bytes, including mapped file pages. `None` where the system does not report it.
pub fn peak_rss_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Content of the `--dump` file: a safetensors file with diffusers' tensor names.
pub fn dump(output: &Output) -> Result<Vec<u8>> {
    let [height, width] = [output.picture.height(), output.picture.width()];
    let Embeddings { prompt, pooled } = &output.conditioning.positive;
    let mut tensors = vec![
        ("prompt_embeds", HostTensor::read(prompt.clone(), "reading the embeddings")?),
        ("pooled_prompt_embeds", HostTensor::read(pooled.clone(), "reading the embeddings")?),
    ];
    if let Some(Embeddings { prompt, pooled }) = &output.conditioning.negative {
        tensors.push(("negative_prompt_embeds", HostTensor::read(prompt.clone(), "reading the embeddings")?));
        tensors.push(("negative_pooled_prompt_embeds", HostTensor::read(pooled.clone(), "reading the embeddings")?));
    }
    tensors.extend([
        ("sigmas", HostTensor { shape: vec![output.sigmas.len()], data: output.sigmas.clone() }),
        ("initial_noise", output.initial_noise.clone()),
        ("latents", output.latents.clone()),
        ("image", HostTensor { shape: vec![height, width, 3], data: output.picture.pixels().to_vec() }),
    ]);
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, tensor)| tensor.data.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, tensor), bytes)| Ok((*name, TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>>>()?;
    safetensors::serialize(views, None).context("cannot write the tensors")
}

/// Reads the tensor `initial_noise` from the `--latents` file.
pub fn initial_noise(path: &Path, shape: [usize; 4]) -> Result<Vec<f32>> {
    let named = || format!("--latents {}", path.display());
    let bytes = fs::read(path).with_context(named)?;
    let file =
        safetensors::SafeTensors::deserialize(&bytes).with_context(|| format!("{}: not safetensors", named()))?;
    let tensor = file.tensor("initial_noise").with_context(|| format!("{}: has no `initial_noise`", named()))?;
    anyhow::ensure!(
        tensor.dtype() == Dtype::F32 && tensor.shape() == shape,
        "{}: `initial_noise` must be F32 of shape {shape:?} for this size, not {:?} of {:?}",
        named(),
        tensor.dtype(),
        tensor.shape()
    );
    Ok(tensor.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// Progress bar on standard error; hidden when that is not a terminal.
pub fn bar(total: usize, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg:12} {bar:40} {pos}/{len} {elapsed} (eta {eta})") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}
