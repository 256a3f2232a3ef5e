//! `emberline generate`: generates one picture without a server.

mod args;
mod lora;
pub(super) mod report;

pub use args::GenerateArgs;

use super::{
    files::{PreviewFolder, check_writable, write_whole},
    library,
    settings::Recommended,
};
use ::library::{Entry, Shelf};
use anyhow::{Context, Result, anyhow, bail};
use checkpoint::{Checkpoint, EmbeddingFile, OpenOptions, Part};
use diffusion::{Observer, Step, Stop};
use generation::{Loras, PreviewMethod, PromptSyntax};
use indicatif::ProgressBar;
use local_studio::TAKE;
use prompt::template::{self, Random, Wildcards};
use protocol::FieldError;
use report::{Report, bar, dump, initial_noise, peak_rss_bytes};
use sdxl::{Compute, Generated, InitImage, LoadOptions, Output, Params, Picture, Pipeline, Precision, PreviewDecoder};
use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// Generates the picture. Ctrl+C stops the run within a step and leaves no file.
pub fn run(args: &GenerateArgs) -> Result<()> {
    let started = Instant::now();
    check_writable("--out", &args.out)?;
    if let Some(path) = &args.dump {
        check_writable("--dump", path)?;
    }
    let seed = args.seed.unwrap_or_else(|| rand::random::<u64>() & u64::from(u32::MAX));
    let open = OpenOptions { prefer_fp16: args.dtype == Some(Precision::F16) };
    let library = library::scanned(&args.models, &open);
    let model = library::named(args.model.clone(), &library)?.only_one(&open)?;
    let args = &GenerateArgs { model, ..expanded(args, seed)? };
    let checkpoint = args.model.open(&open)?;
    let recommended = args.model.recommended(checkpoint.recommendation(), checkpoint.scheduler())?;
    let shelf = library.shelf();
    let mut warnings = warnings(args, &shelf);
    for note in recommended.notes.iter().filter(|note| !args.decides(note.field)) {
        let about = if note.field == "model" { "" } else { "the checkpoint's own setting: " };
        warnings.push(FieldError::new(note.field, format!("{about}{}", note.text)));
    }
    let loras = lora::open(args)?;
    let mut params = params(args, &recommended, &loras.recorded, seed, &mut warnings)?;
    params.embeddings = embeddings(args, &shelf, &checkpoint)?;
    if !args.json {
        warnings.iter().for_each(|FieldError { field, message }| tracing::warn!(field, "{message}"));
    }
    let cancelled = cancelled_by_ctrl_c()?;
    let pipeline = load(args, &checkpoint, &open)?;
    drop(checkpoint);
    let load_s = started.elapsed().as_secs_f64();
    let method = preview_decoder(args, &pipeline)?;

    let networks = pipeline.networks(&loras.uses)?;
    let lora_s = started.elapsed().as_secs_f64() - load_s;
    let conditioning = pipeline.encode_with(&networks, &params)?;
    let text_encode_s = started.elapsed().as_secs_f64() - load_s - lora_s;
    // The text encoders are not used again. Their memory (3 GB for SDXL in f32) becomes free for the UNet's
    // activations.
    pipeline.drop_text_encoders();
    let mut watch = Watch {
        bar: bar(params.steps as usize, "sampling"),
        previews: args.preview_dir.as_deref().map(PreviewFolder::open).transpose()?,
        preview_s: Vec::new(),
        method,
        pipeline: &pipeline,
        cancelled,
        error: None,
    };
    let generated = pipeline.generate_from_with(&networks, &params, conditioning, &mut watch)?;
    watch.bar.finish_and_clear();
    if let Some(error) = watch.error.take() {
        return Err(error);
    }
    let output = match generated {
        Generated::Picture(output) if !watch.cancelled.load(Ordering::Relaxed) => output,
        _ => bail!("cancelled; nothing was written"),
    };

    let mut report = Report::new(args, &params, pipeline.compute(), pipeline.precision());
    write_picture(args, &params, &output)?;
    if let Some(previews) = &mut watch.previews {
        previews.keep();
    }
    report.timings.load_s = load_s;
    report.timings.lora_s = lora_s;
    report.timings.text_encode_s = text_encode_s;
    report.timings.steps_s = output.timings.steps_s;
    report.timings.preview_s = watch.preview_s;
    report.timings.decode_s = output.timings.decode_s;
    report.timings.total_s = started.elapsed().as_secs_f64();
    report.peak_rss_bytes = peak_rss_bytes();
    report.device_reserved_bytes = pipeline.compute().reserved_bytes();
    report.warnings = warnings;
    if args.json {
        let text = serde_json::to_string(&report).context("the report cannot be written as JSON")?;
        writeln!(io::stdout().lock(), "{text}").context("cannot print the report")?;
    } else {
        tracing::info!(seed, seconds = report.timings.total_s, out = %args.out.display(), "done");
    }
    Ok(())
}

/// The arguments with the choices and wildcards of the prompts as this seed expands them.
fn expanded(args: &GenerateArgs, seed: u64) -> Result<GenerateArgs> {
    let mut args = args.clone();
    if args.prompt_syntax == PromptSyntax::A1111 {
        let folder = crate::commands::wildcards(args.wildcards.as_deref())?;
        let wildcards = folder.as_ref().map(|folder| folder as &dyn Wildcards);
        let mut random = Random::new(seed);
        for (field, prompt) in [("prompt", &mut args.prompt), ("negative_prompt", &mut args.negative_prompt)] {
            let expanded = template::expand(prompt, &mut random, wildcards);
            *prompt = expanded.map_err(|message| anyhow!("{field} {message}"))?.into_owned();
        }
    }
    Ok(args)
}

/// Warnings about prompt syntax of A1111 or ComfyUI that is read as ordinary words.
fn warnings(args: &GenerateArgs, shelf: &Shelf) -> Vec<FieldError> {
    let is_embedding = |name: &str| shelf.is_embedding(name);
    match args.prompt_syntax {
        PromptSyntax::A1111 => protocol::prompt::warnings(&args.prompt, &args.negative_prompt, &is_embedding),
        PromptSyntax::Plain => Vec::new(),
    }
}

/// Opens the library's embeddings whose names occur in the prompts.
fn embeddings(args: &GenerateArgs, shelf: &Shelf, checkpoint: &Checkpoint) -> Result<Vec<Arc<EmbeddingFile>>> {
    let text = format!("{}\n{}", args.prompt, args.negative_prompt);
    let open = |entry: &Arc<Entry>| -> Result<_> {
        let file = EmbeddingFile::open(&entry.path)?;
        file.check(checkpoint)?;
        Ok(Arc::new(file))
    };
    shelf.embeddings_in(&text).map(open).collect()
}

fn params(
    args: &GenerateArgs,
    recommended: &Recommended,
    loras: &Loras,
    seed: u64,
    warnings: &mut Vec<FieldError>,
) -> Result<Params> {
    let shared = args.parameters(recommended, loras)?;
    let mut params = Params { prompt_syntax: args.prompt_syntax, seed, ..shared.into() };
    if let Some(path) = &args.init_image {
        params.init_image = Some(InitImage { picture: start_picture(path, warnings)?, strength: args.strength });
    }
    if let Some(path) = &args.latents {
        params.initial_noise = Some(initial_noise(path, params.latent_shape(4))?);
    }
    params.validate()?;
    Ok(params)
}

/// Reads the initial picture with the same decoder and limits as the server's import, so that both generate the same
/// picture from the same file.
fn start_picture(path: &Path, warnings: &mut Vec<FieldError>) -> Result<Picture> {
    let option = || format!("--init-image {}", path.display());
    let file = std::fs::read(path).with_context(option)?;
    let picture = picture_file::read(&file, &TAKE).map_err(|error| anyhow!("{}: it {error}", option()))?;
    warnings.extend(picture.notes.iter().map(|note| FieldError::new("init_image", note.to_string())));
    Ok(Picture::from_rgb8(&picture.rgb))
}

fn load(args: &GenerateArgs, checkpoint: &Checkpoint, options: &OpenOptions) -> Result<Pipeline> {
    let open = |part, path: &Option<std::path::PathBuf>| {
        path.as_deref().map(|path| Checkpoint::open_part(part, path, options)).transpose()
    };
    let (vae, taesd) = (open(Part::Vae, &args.vae)?, open(Part::Taesd, &args.taesd)?);
    let compute = Compute::open(args.device)?;
    let mut progress = LoadBar { part: None, bar: ProgressBar::hidden() };
    let mut tell = |part: Part, done: usize, total: usize| progress.tell(part, done, total);
    let options = LoadOptions {
        precision: args.dtype,
        vae: vae.as_ref(),
        taesd: taesd.as_ref(),
        prediction: args.prediction,
        progress: Some(&mut tell),
        ..LoadOptions::default()
    };
    let pipeline = Pipeline::load(checkpoint, &compute, options)?;
    progress.bar.finish_and_clear();
    Ok(pipeline)
}

/// Progress bars while loading, one for each part of the model.
struct LoadBar {
    part: Option<Part>,
    bar: ProgressBar,
}

impl LoadBar {
    fn tell(&mut self, part: Part, done: usize, total: usize) {
        if self.part != Some(part) {
            self.bar.finish_and_clear();
            self.bar = bar(total, part.folder());
            self.part = Some(part);
        }
        self.bar.set_position(done as u64);
    }
}

/// Preview method for `--preview-dir`. `None` without that folder: no previews are computed.
fn preview_decoder(args: &GenerateArgs, pipeline: &Pipeline) -> Result<Option<PreviewDecoder>> {
    let method = match args.preview {
        PreviewMethod::None => None,
        PreviewMethod::Latent2Rgb => Some(PreviewDecoder::Latent2Rgb),
        PreviewMethod::Taesd if !pipeline.has_taesd() => {
            bail!("--preview taesd: this model brings no TAESD; name one with --taesd, or use --preview latent2rgb")
        }
        PreviewMethod::Auto if !pipeline.has_taesd() => Some(PreviewDecoder::Latent2Rgb),
        PreviewMethod::Taesd | PreviewMethod::Auto => Some(PreviewDecoder::Taesd),
    };
    Ok(method.filter(|_| args.preview_dir.is_some()))
}

fn write_picture(args: &GenerateArgs, params: &Params, output: &Output) -> Result<()> {
    let strength = params.init_image.as_ref().map(|init| init.strength);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let parameters = png_info::Parameters::new(
        params.shared(),
        params.seed,
        args.model.name(),
        strength,
        Vec::new(),
        None,
        None,
        generation::Track::default(),
        version,
    );
    // The dump is written first: a picture without its dump would look like a complete run.
    if let Some(path) = &args.dump {
        write_whole("--dump", path, &dump(output)?)?;
    }
    let written = png(&output.picture, Some(&parameters)).and_then(|png| write_whole("--out", &args.out, &png));
    if let (Err(_), Some(path)) = (&written, &args.dump) {
        std::fs::remove_file(path).ok();
    }
    written
}

fn png(picture: &Picture, parameters: Option<&png_info::Parameters>) -> Result<Vec<u8>> {
    let rgb = picture.to_rgb8();
    png_info::encode(rgb.as_raw(), rgb.width(), rgb.height(), parameters).context("cannot make the PNG")
}

/// Observer of the sampling steps: progress bar, previews and cancellation.
struct Watch<'a> {
    bar: ProgressBar,
    previews: Option<PreviewFolder>,
    preview_s: Vec<f64>,
    method: Option<PreviewDecoder>,
    pipeline: &'a Pipeline,
    cancelled: Arc<AtomicBool>,
    error: Option<anyhow::Error>,
}

impl Watch<'_> {
    fn preview(&mut self, step: &Step<'_>) -> Result<()> {
        if let (Some(folder), Some(method)) = (&mut self.previews, self.method) {
            let started = Instant::now();
            let picture = self.pipeline.preview(method, step.denoised)?;
            folder.write(step.index + 1, &png(&picture, None)?)?;
            self.preview_s.push(started.elapsed().as_secs_f64());
        }
        Ok(())
    }
}

impl Observer for Watch<'_> {
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<Stop> {
        if let Err(error) = self.preview(step) {
            self.error = Some(error);
            return ControlFlow::Break(Stop::Cancel);
        }
        self.bar.set_position(step.index as u64 + 1);
        if self.is_cancelled() { ControlFlow::Break(Stop::Cancel) } else { ControlFlow::Continue(()) }
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

pub(super) fn cancelled_by_ctrl_c() -> Result<Arc<AtomicBool>> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancelled);
    // The first one ends the run after its step. A step can take minutes while a GPU's kernels are compiled, so a second
    // one ends the process.
    let handler = move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    };
    ctrlc::set_handler(handler).context("cannot listen for Ctrl+C")?;
    Ok(cancelled)
}
