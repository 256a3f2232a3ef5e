//! A checkpoint on disk, known from its headers and configs alone.

use crate::{
    Element, Entry, Error, Family, Latent2Rgb, Layout, Part, Plan, SchedulerConfig, TaesdConfig, TextEncoderConfig,
    UnetConfig, VaeConfig,
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
    path: PathBuf,
    layout: Layout,
    files: Vec<PathBuf>,
    unet: Option<UnetConfig>,
    vae: Option<VaeConfig>,
    text: BTreeMap<Part, TextEncoderConfig>,
    taesd: Option<TaesdConfig>,
    scheduler: SchedulerConfig,
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
    pub fn open_with(path: &Path, _options: &OpenOptions) -> Result<Self, Error> {
        Err(Error::Family { path: path.to_owned(), family: Family::Unknown })
    }

    /// Opens the weights of one part alone: a file in diffusers' or LDM's names, or a folder with a
    /// config.json and weights (also a whole checkpoint, of which only this part is taken). For `--vae` and
    /// `--taesd`.
    ///
    /// # Errors
    /// As [`Checkpoint::open`]; [`Error::NoPart`] where it holds something else.
    pub fn open_part(part: Part, path: &Path, _options: &OpenOptions) -> Result<Self, Error> {
        Err(Error::NoPart { path: path.to_owned(), part })
    }

    /// The path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it lies on the disk.
    pub fn layout(&self) -> Layout {
        self.layout
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
        match part {
            Part::Unet => self.unet.is_some(),
            Part::Vae => self.vae.is_some(),
            Part::Taesd => self.taesd.is_some(),
            Part::TextEncoder | Part::TextEncoder2 => self.text.contains_key(&part),
        }
    }

    /// The UNet's shape.
    ///
    /// # Errors
    /// [`Error::NoPart`].
    pub fn unet(&self) -> Result<&UnetConfig, Error> {
        self.unet.as_ref().ok_or_else(|| self.no_part(Part::Unet))
    }

    /// The VAE's shape.
    ///
    /// # Errors
    /// [`Error::NoPart`].
    pub fn vae(&self) -> Result<&VaeConfig, Error> {
        self.vae.as_ref().ok_or_else(|| self.no_part(Part::Vae))
    }

    /// The shape of one of the two text encoders.
    ///
    /// # Errors
    /// [`Error::NoPart`], also where `part` is no text encoder.
    pub fn text_encoder(&self, part: Part) -> Result<&TextEncoderConfig, Error> {
        self.text.get(&part).ok_or_else(|| self.no_part(part))
    }

    /// The preview decoder's shape.
    ///
    /// # Errors
    /// [`Error::NoPart`].
    pub fn taesd(&self) -> Result<&TaesdConfig, Error> {
        self.taesd.as_ref().ok_or_else(|| self.no_part(Part::Taesd))
    }

    /// The training schedule and prediction type.
    pub fn scheduler(&self) -> &SchedulerConfig {
        &self.scheduler
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
    pub fn tokenizer(&self, _part: Part) -> TokenizerFiles {
        TokenizerFiles::BuiltIn
    }

    /// The load plan of one part, made without reading weights. Strict: every tensor is applied, or ignored
    /// by the published list, or an error; tensors that belong to no part at all fail any part's plan.
    ///
    /// # Errors
    /// [`Error::NoPart`]; [`Error::Plan`] with everything that does not match.
    pub fn plan(&self, part: Part) -> Result<Plan, Error> {
        Err(self.no_part(part))
    }

    /// Reads one parameter, transformed and converted, in PyTorch's (row-major) order of `entry.shape`.
    ///
    /// Takes memory for the result and about 1 MiB beside it (a transposed matrix: twice the result).
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Shrunk`], [`Error::Overflow`].
    pub fn read<E: Element>(&self, entry: &Entry) -> Result<Vec<E>, Error> {
        Err(Error::Shrunk { path: self.path.clone(), tensor: entry.source.name.clone() })
    }

    fn no_part(&self, part: Part) -> Error {
        Error::NoPart { path: self.path.clone(), part }
    }
}
