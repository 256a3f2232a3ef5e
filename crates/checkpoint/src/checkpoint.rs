//! A checkpoint, known from its headers and configs alone.

use crate::{
    Element, Entry, Error, Family, FolderError, Latent2Rgb, Layout, MemoryFolder, Part, Plan, SchedulerConfig,
    TaesdConfig, TextEncoderConfig, UnetConfig, VaeConfig,
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

/// How to open a checkpoint.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Take `.fp16.` files where a folder has both kinds. Without it they are taken when they are all
    /// there is.
    pub prefer_fp16: bool,
}

/// Where a text encoder's tokenizer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenizerFiles {
    /// `tokenizer.json`.
    Json(PathBuf),
    /// CLIP's classic pair.
    VocabMerges {
        /// `vocab.json`.
        vocab: PathBuf,
        /// `merges.txt`.
        merges: PathBuf,
    },
    /// A folder with tokenizer_config.json, special_tokens_map.json or added_tokens.json, but without a table:
    /// CLIP's own table, with the tokens that those files add.
    Additions(PathBuf),
    /// None is brought: take CLIP's own.
    BuiltIn,
}

/// A checkpoint: which parts it has, their shapes, and where every parameter's bytes are.
///
/// Opening reads headers and configs, no weights: a 7 GB file takes milliseconds. Files are held open; the
/// weights are read at their offsets when asked for, never mapped, so that resident memory does not grow
/// with the file.
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
    /// What is not safetensors, is broken, is not SDXL, or has a config value that SDXL has not.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_with(path, &OpenOptions::default())
    }

    /// As [`Checkpoint::open`], with options.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(path: &Path, options: &OpenOptions) -> Result<Self, Error> {
        Self::whole(Sources::open(&path.into(), options)?)
    }

    /// As [`Checkpoint::open`], of a diffusers folder in memory. It may bring no tokenizer files: CLIP's own
    /// tokenizer is taken.
    ///
    /// # Errors
    /// As there; [`FolderError::Tokenizer`].
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

    /// Opens the weights of one part alone: a file in diffusers' or LDM's names, or a folder with a
    /// config.json and weights (also a whole checkpoint, of which only this part is taken). For `--vae` and
    /// `--taesd`.
    ///
    /// # Errors
    /// As [`Checkpoint::open`]; [`Error::NoPart`] and [`Error::NotPart`] where it holds something else.
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

    /// How it lies on the disk.
    pub fn layout(&self) -> Layout {
        self.sources.layout
    }

    /// Its weight files; [`crate::TensorRef::file`] points in here.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The parts that it brings, in loading order.
    pub fn parts(&self) -> Vec<Part> {
        Part::ALL.into_iter().filter(|&part| self.has(part)).collect()
    }

    /// Whether it brings this part.
    pub fn has(&self, part: Part) -> bool {
        self.shapes.contains_key(&part)
    }

    /// The UNet's shape.
    ///
    /// # Errors
    /// [`Error::NoPart`].
    pub fn unet(&self) -> Result<&UnetConfig, Error> {
        match self.shapes.get(&Part::Unet) {
            Some(Shape::Unet(config)) => Ok(config),
            _ => Err(self.no_part(Part::Unet)),
        }
    }

    /// The VAE's shape.
    ///
    /// # Errors
    /// [`Error::NoPart`].
    pub fn vae(&self) -> Result<&VaeConfig, Error> {
        match self.shapes.get(&Part::Vae) {
            Some(Shape::Vae(config)) => Ok(config),
            _ => Err(self.no_part(Part::Vae)),
        }
    }

    /// The shape of one of the two text encoders.
    ///
    /// # Errors
    /// [`Error::NoPart`], also where `part` is no text encoder.
    pub fn text_encoder(&self, part: Part) -> Result<&TextEncoderConfig, Error> {
        match self.shapes.get(&part) {
            Some(Shape::Text(config)) => Ok(config),
            _ => Err(self.no_part(part)),
        }
    }

    /// The preview decoder's shape.
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

    /// How it says that it is best sampled.
    pub fn recommendation(&self) -> &Recommendation {
        &self.recommendation
    }

    /// Whether an empty negative prompt means zeros (model_index.json; default true).
    pub fn force_zeros_for_empty_prompt(&self) -> bool {
        self.force_zeros_for_empty_prompt
    }

    /// The checkpoint's own latent2rgb.json.
    pub fn latent2rgb(&self) -> Option<&Latent2Rgb> {
        self.latent2rgb.as_ref()
    }

    /// Where the tokenizer of a text encoder is.
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
        // Half of the pair is an error when it is read: the other half's tokens would be lost in silence.
        if ["vocab.json", "merges.txt"].iter().any(is_there) {
            return TokenizerFiles::VocabMerges { vocab: folder.join("vocab.json"), merges: folder.join("merges.txt") };
        }
        match ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"].iter().any(is_there) {
            true => TokenizerFiles::Additions(folder),
            false => TokenizerFiles::BuiltIn,
        }
    }

    /// The load plan of one part, made without reading weights. Strict: every tensor is applied, or ignored
    /// by the published list, or an error; tensors that belong to no part at all fail any part's plan.
    ///
    /// # Errors
    /// [`Error::NoPart`]; [`Error::Plan`] with everything that does not match.
    pub fn plan(&self, part: Part) -> Result<Plan, Error> {
        let (Some(shape), Some(source)) = (self.shapes.get(&part), self.sources.parts.get(&part)) else {
            return Err(self.no_part(part));
        };
        let (plan, mut wrong) = build(&self.sources, part, source, &shape.expected());
        wrong.unexpected.extend(self.sources.strays.iter().cloned());
        if wrong.is_empty() { Ok(plan) } else { Err(Error::Plan { path: self.path().to_owned(), source: wrong }) }
    }

    /// Reads one parameter, transformed and converted, in PyTorch's (row-major) order of `entry.shape`.
    ///
    /// Takes memory for the result and a few MiB beside it (a transposed matrix: twice the result).
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Shrunk`], [`Error::Overflow`]. An entry of another checkpoint is
    /// [`Error::NoPart`] or reads other bytes.
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
