//! Textual inversions: vectors that take the place of tokens in both text encoders.

use crate::{
    Checkpoint, EmbeddingError, Error, LoraFile, Part,
    read::values,
    safetensors::{Tensor, WeightFile},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// The maximum number of vectors: the places between the start and the end token of CLIP's 77.
pub const MAX_EMBEDDING_VECTORS: usize = 75;
/// Names of each encoder's vectors: most programs', and diffusers' training script's.
const NAMES: [(Part, &str, &str); 2] =
    [(Part::TextEncoder, "clip_l", "text_encoders_0"), (Part::TextEncoder2, "clip_g", "text_encoders_1")];

/// A textual inversion for SDXL: `n` vectors for each of the two text encoders.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingFile {
    path: PathBuf,
    name: String,
    vectors: [Vec<f32>; 2],
    len: usize,
}

impl EmbeddingFile {
    /// Reads a safetensors file with `clip_l` and `clip_g`, or diffusers' `text_encoders_0` and `text_encoders_1`.
    ///
    /// # Errors
    /// A file that is not safetensors (a pickle, for example) or is broken; [`Error::Embedding`] for a file with other
    /// tensors, for one encoder only, or with unequal numbers of vectors.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::read(&WeightFile::open(path)?)
    }

    /// Like [`EmbeddingFile::open`], for a file in memory that is called `path`.
    ///
    /// # Errors
    /// The same as [`EmbeddingFile::open`].
    pub fn in_memory(path: PathBuf, bytes: Arc<Vec<u8>>) -> Result<Self, Error> {
        Self::read(&WeightFile::in_memory(path, bytes)?)
    }

    /// The embeddings that OneTrainer stored in a LoRA's file (`bundle_emb.<name>.clip_l`), by name.
    ///
    /// # Errors
    /// The same as [`EmbeddingFile::open`], for any of them.
    pub fn bundled(lora: &LoraFile) -> Result<Vec<Self>, Error> {
        let read = |(name, tensors): (&str, Vec<_>)| Self::of(lora.file(), name.to_owned(), &tensors);
        lora.bundles().into_iter().map(read).collect()
    }

    /// The number of vectors of the embedding with these tensors, from the header alone.
    ///
    /// # Errors
    /// Tensors that are no embedding for SDXL.
    pub fn vectors_of(tensors: &[Tensor]) -> Result<usize, EmbeddingError> {
        let (first, _) = pair(&named(tensors))?;
        Ok(first.shape[0])
    }

    fn read(file: &WeightFile) -> Result<Self, Error> {
        let name = file.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Self::of(file, name, &named(&file.header.tensors))
    }

    /// From tensors with their names inside the file or bundle.
    fn of(file: &WeightFile, name: String, tensors: &[(&str, &Tensor)]) -> Result<Self, Error> {
        let fail = |source| Error::Embedding { path: file.path.clone(), source: Box::new(source) };
        let (first, second) = pair(tensors).map_err(fail)?;
        let len = first.shape[0];
        let mut vectors = [Vec::new(), Vec::new()];
        for (tensor, vectors) in [&first, &second].into_iter().zip(&mut vectors) {
            let Tensor { name, dtype, offset, bytes, .. } = tensor;
            *vectors = values(file, name, *dtype, *offset, *bytes)?;
            if !vectors.iter().all(|value| value.is_finite()) {
                return Err(fail(EmbeddingError::NotFinite { tensor: name.clone() }));
            }
        }
        Ok(Self { path: file.path.clone(), name, vectors, len })
    }

    /// The path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name in prompts: the file's name without extension, or the name in the bundle.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of vectors for each encoder: the number of tokens whose places they take.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never true: a file without vectors is an error.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The vectors for a text encoder, row-major `[len, width]`. Empty for any other part.
    pub fn vectors(&self, part: Part) -> &[f32] {
        let index = NAMES.iter().position(|(of, ..)| *of == part);
        index.and_then(|index| self.vectors.get(index)).map_or(&[], Vec::as_slice)
    }

    /// Values of each vector for this text encoder: 768 and 1280 in SDXL.
    pub fn width(&self, part: Part) -> usize {
        self.vectors(part).len().checked_div(self.len).unwrap_or(0)
    }

    /// Checks that the vectors are as wide as the checkpoint's text encoders.
    ///
    /// # Errors
    /// [`Error::Embedding`] with [`EmbeddingError::Width`]; [`Error::NoPart`].
    pub fn check(&self, checkpoint: &Checkpoint) -> Result<(), Error> {
        for (part, ..) in NAMES {
            let (found, needed) = (self.width(part), checkpoint.text_encoder(part)?.hidden_size);
            if found != needed {
                let source = EmbeddingError::Width { part, found, needed };
                return Err(Error::Embedding { path: self.path.clone(), source: Box::new(source) });
            }
        }
        Ok(())
    }
}

/// Tensors with their own names.
fn named(tensors: &[Tensor]) -> Vec<(&str, &Tensor)> {
    tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect()
}

/// Both encoders' tensors, as `[vectors, width]`.
fn pair(tensors: &[(&str, &Tensor)]) -> Result<(Tensor, Tensor), EmbeddingError> {
    let mut found: [Option<&Tensor>; 2] = [None, None];
    let mut other = None;
    for (local, tensor) in tensors {
        match NAMES.iter().position(|(_, one, other)| local == one || local == other) {
            Some(index) => {
                if let Some(first) = found[index].replace(tensor) {
                    let (first, second) = (first.name.clone(), tensor.name.clone());
                    return Err(EmbeddingError::Twice { first, second });
                }
            }
            None if matches!(*local, "clip_l_out" | "clip_g_out") => {
                return Err(EmbeddingError::Output { tensor: tensor.name.clone() });
            }
            None => other = other.or(Some((*local, *tensor))),
        }
    }
    let missing = |found: &Tensor, missing| EmbeddingError::OneEncoder { found: found.name.clone(), missing };
    let (first, second) = match (found, other) {
        ([Some(first), Some(second)], None) => (first, second),
        ([Some(_), _] | [_, Some(_)], Some((_, tensor))) => {
            return Err(EmbeddingError::Unexpected { tensor: tensor.name.clone() });
        }
        ([Some(first), None], None) => return Err(missing(first, "clip_g")),
        ([None, Some(second)], None) => return Err(missing(second, "clip_l")),
        ([None, None], other) => return Err(not_sdxl(other, tensors.len())),
    };
    let (first, second) = (rows(first)?, rows(second)?);
    let (one, two) = (first.shape[0], second.shape[0]);
    if one != two {
        return Err(EmbeddingError::Lengths { first: one, second: two });
    }
    if !(1..=MAX_EMBEDDING_VECTORS).contains(&one) {
        return Err(EmbeddingError::Count { vectors: one, limit: MAX_EMBEDDING_VECTORS });
    }
    Ok((first, second))
}

/// The error for a file without either encoder's tensor.
fn not_sdxl(tensor: Option<(&str, &Tensor)>, count: usize) -> EmbeddingError {
    let Some((local, tensor)) = tensor else { return EmbeddingError::NotEmbedding { found: "no tensor".to_owned() } };
    let found = tensor.name.clone();
    let vector = count == 1 && matches!(tensor.shape.as_slice(), [768 | 1024] | [_, 768 | 1024]);
    match local == "emb_params" || local.starts_with("string_to_param") || vector {
        true => EmbeddingError::OtherModel { found },
        false => EmbeddingError::NotEmbedding { found },
    }
}

/// The tensor as a list of vectors; a single vector may be stored without the list.
fn rows(tensor: &Tensor) -> Result<Tensor, EmbeddingError> {
    let Tensor { name, dtype, shape, .. } = tensor;
    if !dtype.is_readable() {
        return Err(EmbeddingError::Unreadable { tensor: name.clone(), dtype: *dtype });
    }
    let shape = match *shape.as_slice() {
        [width] if width > 0 => vec![1, width],
        [vectors, width] if width > 0 => vec![vectors, width],
        _ => return Err(EmbeddingError::Shape { tensor: name.clone(), shape: shape.clone() }),
    };
    Ok(Tensor { shape, ..tensor.clone() })
}
