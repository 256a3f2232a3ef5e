//! `emberline upscale`: enlarges a picture without a server.

use super::{
    files::{check_writable, write_whole},
    generate::{cancelled_by_ctrl_c, report::bar},
};
use ::upscale::{BUILT_IN, Tiles, Upscaler, UpscalerFile, built_in};
use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use picture_file::Bounds;
use sdxl::{Compute, DeviceChoice};
use serde::Serialize;
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Instant,
};

/// Maximum size of a picture's file, bytes.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Options of `emberline upscale`.
#[derive(Clone, Debug, Args)]
pub struct UpscaleArgs {
    /// The picture: PNG, JPEG or WebP. Transparent parts are put on white, colours are converted to sRGB.
    #[arg(value_name = "IN")]
    pub input: PathBuf,

    /// The enlarged picture, as PNG. A generation record of the picture is kept.
    #[arg(value_name = "OUT")]
    pub out: PathBuf,

    /// The network: a .safetensors or .pth file (ESRGAN, Real-ESRGAN, Compact, SPAN) [default: realesr-animevideov3, which
    /// is inside this program]
    #[arg(long, visible_alias = "model", env = "EMBERLINE_UPSCALER", value_name = "PATH")]
    pub upscaler: Option<PathBuf>,

    /// The factor, from 1 to 8. The network runs as often as needed; a larger result is reduced by Lanczos. [default: the
    /// network's own]
    #[arg(long, env = "EMBERLINE_SCALE", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8))]
    pub scale: Option<u32>,

    /// Compute device; auto selects a hardware GPU, otherwise the CPU.
    #[arg(long, env = "EMBERLINE_DEVICE", value_name = "auto|cpu|wgpu|wgpu:N", default_value = "auto")]
    pub device: DeviceChoice,

    /// Print a report as JSON to standard output.
    #[arg(long, env = "EMBERLINE_JSON")]
    pub json: bool,
}

/// The JSON report.
#[derive(Serialize)]
struct Report {
    out: String,
    model: String,
    network: &'static str,
    scale: u32,
    width: u32,
    height: u32,
    device: String,
    load_s: f64,
    upscale_s: f64,
    total_s: f64,
    peak_rss_bytes: Option<u64>,
    /// What the file has and the pixels do not show.
    warnings: Vec<String>,
}

/// Enlarges the picture. Ctrl+C stops the run after a tile and leaves no file.
pub fn run(args: &UpscaleArgs) -> Result<()> {
    let started = Instant::now();
    check_writable("OUT", &args.out)?;
    let bytes = read(&args.input)?;
    let bounds = Bounds { side_px: 1..=picture_file::MAX_SIDE_PX, side_step_px: 1 };
    let picture = picture_file::read(&bytes, &bounds).map_err(|error| anyhow!("{} {error}", args.input.display()))?;
    let record = png_info::read(&bytes).ok().and_then(|info| info.parameters);
    drop(bytes);
    let file = match &args.upscaler {
        Some(path) => UpscalerFile::open(path)?,
        None => built_in()?,
    };
    let compute = Compute::open(args.device)?;
    let upscaler = Upscaler::load(&file, &compute).with_context(|| file.path().display().to_string())?;
    let load_s = started.elapsed().as_secs_f64();
    let scale = args.scale.unwrap_or(u32::try_from(file.spec().scale()).unwrap_or(1));
    let cancelled = cancelled_by_ctrl_c()?;
    let tiles = bar(1, "upscaling");
    let mut progress = |done: usize, total: usize| {
        tiles.set_length(total as u64);
        tiles.set_position(done as u64);
        if cancelled.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let enlarged = compute.run(|| upscaler.upscale_by(&picture.rgb, scale, Tiles::default(), &mut progress))?;
    tiles.finish_and_clear();
    let Some(enlarged) = enlarged.filter(|_| !cancelled.load(Ordering::Relaxed)) else {
        bail!("cancelled; nothing was written")
    };
    let upscale_s = started.elapsed().as_secs_f64() - load_s;
    let (width, height) = enlarged.dimensions();
    let png = png_info::encode(enlarged.as_raw(), width, height, record.as_ref())?;
    write_whole("OUT", &args.out, &png)?;
    let report = Report {
        out: args.out.display().to_string(),
        model: args.upscaler.as_ref().map_or_else(|| BUILT_IN.to_owned(), |path| path.display().to_string()),
        network: file.spec().name(),
        scale,
        width,
        height,
        device: compute.info.to_string(),
        load_s,
        upscale_s,
        total_s: started.elapsed().as_secs_f64(),
        peak_rss_bytes: super::generate::report::peak_rss_bytes(),
        warnings: picture.notes.iter().map(ToString::to_string).collect(),
    };
    if args.json {
        let text = serde_json::to_string(&report).context("the report cannot be written as JSON")?;
        return writeln!(io::stdout().lock(), "{text}").context("cannot print the report");
    }
    report.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    tracing::info!(width, height, seconds = report.total_s, out = report.out, "done");
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", path.display());
    let metadata = fs::metadata(path).with_context(cannot)?;
    ensure!(metadata.is_file(), "{} is not a regular file", path.display());
    ensure!(metadata.len() <= MAX_FILE_BYTES, "{} is larger than {} MiB", path.display(), MAX_FILE_BYTES >> 20);
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)).with_context(cannot)?;
    Ok(bytes)
}
