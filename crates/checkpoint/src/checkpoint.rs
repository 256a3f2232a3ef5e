//! A checkpoint, described by its headers and configs.

use crate::{
    Element, Entry, Error, Family, FolderError, Latent2Rgb, Layout, MemoryFolder, OpenOptions, Part, Plan,
    SchedulerConfig, TaesdConfig, TextEncoderConfig, UnetConfig, VaeConfig,
    config::latent2rgb,
    place::Place,
    plan::build,
    read::read,
    recommend::Recommendation,
    shape::{self, Shape},
    source::Sources,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The tokenizer files of a text encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenizerFiles {
    /// `tokenizer.json`.
    Json(PathBuf),
    /// The classic pair of CLIP.
    VocabMerges {
        /// `vocab.json`.
        vocab: PathBuf,
        /// `merges.txt`.
        merges: PathBuf,
    },
    /// A folder with tokenizer_config.json, special_tokens_map.json or added_tokens.json, but without a vocabulary: use
    /// CLIP's own vocabulary, with the tokens added by those files.
    Additions(PathBuf),
    /// The checkpoint has no tokenizer: use CLIP's own.
    BuiltIn,
}

/// A checkpoint: its parts, their configurations, and the location of every parameter's bytes.
///
/// Opening reads headers and configs but no weights: a 7 GB file takes milliseconds. Files are kept open. Weights are
/// read at their offsets on request and never memory-mapped, so resident memory does not grow with the file.
#[derive(Debug)]
pub struct Checkpoint {
    sources: Sources,
    files: Vec<PathBuf>,
    shapes: BTreeMap<Part, Shape>,
    scheduler: SchedulerConfig,
    recommendation: Recommendation,
    force_zeros_for_empty_prompt: bool,
    latent2rgb: Option<Latent2Rgb>,
}

impl Checkpoint {
    /// Opens an SDXL checkpoint: a single safetensors file or a diffusers folder.
    ///
    /// # Errors
    /// A file that is not safetensors, is broken or is not SDXL, or a config value that SDXL does not support.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_with(path, &OpenOptions::default())
    }

    /// Like [`Checkpoint::open`], with options.
    ///
    /// # Errors
    /// The same as [`Checkpoint::open`].
    pub fn open_with(path: &Path, options: &OpenOptions) -> Result<Self, Error> {
        Self::whole(Sources::open(&path.into(), options)?)
    }

    /// Like [`Checkpoint::open`], for a diffusers folder in memory. It must not contain tokenizer files; CLIP's own
    /// tokenizer is used.
    ///
    /// # Errors
    /// The same as [`Checkpoint::open`], and [`FolderError::Tokenizer`].
    pub fn in_memory(folder: &MemoryFolder) -> Result<Self, Error> {
        let place = Place::Memory(folder.clone());
        for tokenizer in ["tokenizer", "tokenizer_2"] {
            let files = ["tokenizer.json", "vocab.json", "merges.txt"].map(|file| format!("{tokenizer}/{file}"));
            if let Some(file) = files.into_iter().find(|file| place.has(file)) {
                return Err(Error::Folder { path: place.path().to_owned(), reason: FolderError::Tokenizer { file } });
            }
        }
        Self::whole(Sources::open(&place, &OpenOptions::default())?)
    }

    fn whole(mut sources: Sources) -> Result<Self, Error> {
        let path = sources.path().to_owned();
        if sources.family != Family::Sdxl {
            return Err(Error::Family { path, family: sources.family });
        }
        if let Some(error) = sources.broken.drain(..).next() {
            return Err(error);
        }
        if !sources.parts.contains_key(&Part::Unet) {
            return Err(Error::NoPart { path, part: Part::Unet });
        }
        let checkpoint = Self::from_sources(sources)?;
        shape::check_together(&path, &checkpoint.shapes)?;
        Ok(checkpoint)
    }

    /// Opens the weights of a single part: a file in diffusers' or LDM's naming, or a folder with a config.json and
    /// weights. Also accepts a whole checkpoint and uses only this part of it. For `--vae` and `--taesd`.
    ///
    /// # Errors
    /// The same as [`Checkpoint::open`], and [`Error::NoPart`] or [`Error::NotPart`] if it contains something else.
    pub fn open_part(part: Part, path: &Path, options: &OpenOptions) -> Result<Self, Error> {
        Self::from_sources(Sources::open_part(part, &path.into(), options)?)
    }

    fn from_sources(sources: Sources) -> Result<Self, Error> {
        let shapes = sources
            .parts
            .keys()
            .map(|&part| Ok((part, Shape::read(&sources, part)?)))
            .collect::<Result<BTreeMap<_, _>, Error>>()?;
        let force_zeros = sources.index.as_ref().map(|index| index.flag("force_zeros_for_empty_prompt", true));
        let scheduler = shape::scheduler(&sources)?;
        let recommendation = match shapes.contains_key(&Part::Unet) {
            true => Recommendation::read(&sources, &shapes, &scheduler)?,
            false => Recommendation::default(),
        };
        Ok(Self {
            scheduler,
            recommendation,
            force_zeros_for_empty_prompt: force_zeros.transpose()?.unwrap_or(true),
            latent2rgb: match sources.layout {
                Layout::Diffusers => latent2rgb(&sources.place)?,
                Layout::SingleFile | Layout::Part => None,
            },
            files: sources.files.iter().map(|file| file.path.clone()).collect(),
            shapes,
            sources,
        })
    }

    /// The path that was opened, or the name of a folder in memory.
    pub fn path(&self) -> &Path {
        self.sources.path()
    }

    /// How it is stored on disk.
    pub fn layout(&self) -> Layout {
        self.sources.layout
    }

    /// Its weight files. [`crate::TensorRef::file`] is an index into this list.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The parts that it contains, in loading order.
    pub fn parts(&self) -> Vec<Part> {
        Part::ALL.into_iter().filter(|&part| self.has(part)).collect()
    }

    /// Whether it contains this part.
    pub fn has(&self, part: Part) -> bool {
        self.shapes.contains_key(&part)
    }

    /// The configuration of each part that it contains.
    pub fn shapes(&self) -> &BTreeMap<Part, Shape> {
        &self.shapes
    }

    /// The configuration of the UNet.
    ///
    /// # Errors
    /// [`Error::NoPart`].
    pub fn unet(&self) -> Result<&UnetConfig, Error> {
        match self.shapes.get(&Part::Unet) {
            Some(Shape::Unet(config)) => Ok(config),
            _ => Err(self.no_part(Part::Unet)),
        }
    }

    /// The configuration of the VAE.
    ///
    /// # Errors
    /// [`Error::NoPart`].
    pub fn vae(&self) -> Result<&VaeConfig, Error> {
        match self.shapes.get(&Part::Vae) {
            Some(Shape::Vae(config)) => Ok(config),
            _ => Err(self.no_part(Part::Vae)),
        }
    }

    /// The configuration of one of the two text encoders.
    ///
    /// # Errors
    /// [`Error::NoPart`], also if `part` is not a text encoder.
    pub fn text_encoder(&self, part: Part) -> Result<&TextEncoderConfig, Error> {
        match self.shapes.get(&part) {
            Some(Shape::Text(config)) => Ok(config),
            _ => Err(self.no_part(part)),
        }
    }

    /// The configuration of the preview decoder.
    ///
    /// # Errors
    /// [`Error::NoPart`].
    pub fn taesd(&self) -> Result<&TaesdConfig, Error> {
        match self.shapes.get(&Part::Taesd) {
            Some(Shape::Taesd(config)) => Ok(config),
            _ => Err(self.no_part(Part::Taesd)),
        }
    }

    /// The training schedule and prediction type.
    pub fn scheduler(&self) -> &SchedulerConfig {
        &self.scheduler
    }

    /// The settings that the checkpoint recommends for sampling.
    pub fn recommendation(&self) -> &Recommendation {
        &self.recommendation
    }

    /// Whether an empty negative prompt means zeros (from model_index.json; true by default).
    pub fn force_zeros_for_empty_prompt(&self) -> bool {
        self.force_zeros_for_empty_prompt
    }

    /// The checkpoint's own latent2rgb.json, if it has one.
    pub fn latent2rgb(&self) -> Option<&Latent2Rgb> {
        self.latent2rgb.as_ref()
    }

    /// The tokenizer files of a text encoder.
    pub fn tokenizer(&self, part: Part) -> TokenizerFiles {
        let folder = match part {
            Part::TextEncoder2 => "tokenizer_2",
            _ => "tokenizer",
        };
        let Place::Disk(root) = &self.sources.place else { return TokenizerFiles::BuiltIn };
        let folder = root.join(folder);
        let is_there = |name: &&str| folder.join(name).is_file();
        if is_there(&"tokenizer.json") {
            return TokenizerFiles::Json(folder.join("tokenizer.json"));
        }
        // If one file of the pair is missing, reading it gives an error. Otherwise the tokens of the other would be
        // lost silently.
        if ["vocab.json", "merges.txt"].iter().any(is_there) {
            return TokenizerFiles::VocabMerges { vocab: folder.join("vocab.json"), merges: folder.join("merges.txt") };
        }
        match ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"].iter().any(is_there) {
            true => TokenizerFiles::Additions(folder),
            false => TokenizerFiles::BuiltIn,
        }
    }

    /// The load plan of one part, computed without reading weights. Strict: every tensor is used, ignored by the
    /// published list, or an error. Tensors that belong to no part are an error in the plan of every part.
    ///
    /// # Errors
    /// [`Error::NoPart`]; [`Error::Plan`] with everything that does not match.
    pub fn plan(&self, part: Part) -> Result<Plan, Error> {
        let (Some(shape), Some(source)) = (self.shapes.get(&part), self.sources.parts.get(&part)) else {
            return Err(self.no_part(part));
        };
        let (plan, mut wrong) = build(&self.sources, part, source, &shape.expected());
        wrong.unexpected.extend(self.sources.strays.iter().cloned());
        if wrong.is_empty() {
            return Ok(plan);
        }
        Err(Error::Plan { path: self.path().to_owned(), source: Box::new(wrong) })
    }

    /// Reads one parameter, transformed and converted, in PyTorch's (row-major) order of `entry.shape`.
    ///
    /// Uses memory for the result and a few MiB more (for a transposed matrix twice the result).
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Shrunk`], [`Error::Overflow`]. For an entry of another checkpoint, [`Error::NoPart`] or
    /// other data.
    pub fn read<E: Element>(&self, entry: &Entry) -> Result<Vec<E>, Error> {
        match self.sources.files.get(entry.source.file) {
            Some(file) => read(file, entry),
            None => Err(self.no_part(Part::Unet)),
        }
    }

    fn no_part(&self, part: Part) -> Error {
        Error::NoPart { path: self.path().to_owned(), part }
    }
}
