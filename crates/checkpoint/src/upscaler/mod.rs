//! Upscaling networks: ESRGAN (RRDBNet) in its three name sets, Compact (SRVGGNet) and SPAN, from safetensors and `.pth`.
//!
//! Sources: the networks' published code and the checks of spandrel, whose classes are the reference of the tests.

mod names;
mod span;

use crate::{
    Dtype, Error, Tensor,
    pickle::PickleFile,
    read::values,
    safetensors::WeightFile,
    upscaler_error::{PickleError, UpscalerError},
};
use names::Named;
use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The most channels of a layer. Real-ESRGAN's networks have 64.
const MAX_CHANNELS: usize = 1024;
/// The most blocks or convolutions in a row. Real-ESRGAN's networks have 6 to 32.
const MAX_BLOCKS: usize = 256;
/// The largest factor of one network. Most have 4.
const MAX_SCALE: usize = 16;

/// What a network is, from the names and shapes of its tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpscalerSpec {
    /// RRDBNet (Wang et al. 2018), with the channel shuffle of Real-ESRGAN.
    Esrgan {
        /// Channels of the trunk.
        features: usize,
        /// Channels that each convolution of a dense block adds.
        growth: usize,
        /// Residual-in-residual dense blocks.
        blocks: usize,
        /// Doublings at the end.
        doublings: usize,
        /// The picture's pixels are gathered into channels by this factor first: 1, 2 or 4.
        unshuffle: usize,
    },
    /// SRVGGNetCompact (Real-ESRGAN's small networks).
    Compact {
        /// Channels.
        features: usize,
        /// Convolutions between the first and the last.
        convs: usize,
        /// The factor.
        scale: usize,
    },
    /// SPAN (Wan et al. 2023), with its three-layer convolutions merged into one.
    Span {
        /// Channels.
        features: usize,
        /// The factor.
        scale: usize,
        /// Whether the picture is centred on the training data's mean and multiplied by 255 first.
        normalized: bool,
    },
}

impl UpscalerSpec {
    /// The network with these tensors (name and shape).
    ///
    /// # Errors
    /// The tensors are not those of a network that can be computed.
    pub fn of<'t>(tensors: impl IntoIterator<Item = (&'t str, &'t [usize])>) -> Result<Self, UpscalerError> {
        let shapes = tensors.into_iter().map(|(name, shape)| (name.to_owned(), shape.to_vec())).collect();
        Named::of(shapes).map(|named| named.spec)
    }

    /// The factor by which it enlarges a picture's sides.
    pub fn scale(self) -> usize {
        match self {
            Self::Esrgan { doublings, unshuffle, .. } => (1 << doublings) / unshuffle,
            Self::Compact { scale, .. } | Self::Span { scale, .. } => scale,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Esrgan { .. } => "ESRGAN",
            Self::Compact { .. } => "Compact",
            Self::Span { .. } => "SPAN",
        }
    }
}

/// A tensor with its values.
#[derive(Clone, Debug, PartialEq)]
pub struct UpscalerTensor {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub values: Vec<f32>,
}

/// A network's file: what it is, and its tensors by their common names.
///
/// Common names: ESRGAN `conv_first`, `body.{i}.rdb{1..3}.conv{1..5}`, `conv_body`, `conv_up{1..}`, `conv_hr`, `conv_last`;
/// Compact `body.{i}`; SPAN `conv_1`, `block_{1..6}.c{1..3}_r`, `conv_cat`, `conv_2`, `upsampler.0`.
#[derive(Clone, Debug, PartialEq)]
pub struct UpscalerFile {
    path: PathBuf,
    spec: UpscalerSpec,
    tensors: BTreeMap<String, UpscalerTensor>,
}

impl UpscalerFile {
    /// Reads a safetensors or a `.pth` file.
    ///
    /// # Errors
    /// A file that is neither, is broken, would run code, or is not such a network.
    pub fn open(path: &Path) -> Result<Self, Error> {
        match WeightFile::open(path) {
            Err(Error::Header { source: crate::HeaderError::Pickle, .. }) => Self::open_pickle(path),
            file => Self::of_safetensors(&file?),
        }
    }

    /// Like [`UpscalerFile::open`], for a safetensors file in memory that is called `path`.
    ///
    /// # Errors
    /// The same as [`UpscalerFile::open`].
    pub fn in_memory(path: PathBuf, bytes: Arc<Vec<u8>>) -> Result<Self, Error> {
        Self::of_safetensors(&WeightFile::in_memory(path, bytes)?)
    }

    /// What the network is. Reads the header of a safetensors file, or the pickle of a `.pth` file, and no tensor.
    ///
    /// # Errors
    /// The same as [`UpscalerFile::open`].
    pub fn inspect(path: &Path) -> Result<UpscalerSpec, Error> {
        let fail = |source| Error::Upscaler { path: path.to_owned(), source: Box::new(source) };
        let shapes: Vec<(String, Vec<usize>)> = match WeightFile::open(path) {
            Err(Error::Header { source: crate::HeaderError::Pickle, .. }) => {
                let tensors = pickle(path)?.tensors;
                tensors.into_iter().map(|tensor| (tensor.name, tensor.shape)).collect()
            }
            file => file?.header.tensors.into_iter().map(|tensor| (tensor.name, tensor.shape)).collect(),
        };
        UpscalerSpec::of(shapes.iter().map(|(name, shape)| (name.as_str(), &shape[..]))).map_err(fail)
    }

    fn of_safetensors(file: &WeightFile) -> Result<Self, Error> {
        let mut of_name = BTreeMap::new();
        for tensor in &file.header.tensors {
            of_name.insert(tensor.name.clone(), tensor);
        }
        let shapes = of_name.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect();
        Self::read(&file.path, shapes, |name| {
            let Tensor { name, dtype, offset, bytes, .. } = of_name[name];
            values(file, name, *dtype, *offset, *bytes)
        })
    }

    fn open_pickle(path: &Path) -> Result<Self, Error> {
        let mut file = pickle(path)?;
        let floats = file.tensors.iter().filter(|tensor| tensor.dtype.is_readable());
        let of_name: BTreeMap<_, _> = floats.map(|tensor| (tensor.name.clone(), tensor.clone())).collect();
        let shapes = of_name.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect();
        Self::read(path, shapes, |name| {
            let tensor = &of_name[name];
            let bytes = file.bytes(tensor).map_err(|error| pickle_error(path, error))?;
            Ok(widened(tensor.dtype, &bytes))
        })
    }

    fn read(
        path: &Path,
        shapes: BTreeMap<String, Vec<usize>>,
        mut read: impl FnMut(&str) -> Result<Vec<f32>, Error>,
    ) -> Result<Self, Error> {
        let fail = |source| Error::Upscaler { path: path.to_owned(), source: Box::new(source) };
        let named = Named::of(shapes).map_err(fail)?;
        let mut tensors = BTreeMap::new();
        for (common, (name, shape)) in named.tensors {
            tensors.insert(common, UpscalerTensor { shape, values: read(&name)? });
        }
        if matches!(named.spec, UpscalerSpec::Span { .. }) {
            tensors = span::merged(tensors).map_err(fail)?;
        }
        Ok(Self { path: path.to_owned(), spec: named.spec, tensors })
    }

    /// The path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the network is.
    pub fn spec(&self) -> UpscalerSpec {
        self.spec
    }

    /// The tensors, by their common names.
    pub fn tensors(&self) -> &BTreeMap<String, UpscalerTensor> {
        &self.tensors
    }
}

fn pickle(path: &Path) -> Result<PickleFile, Error> {
    let file = File::open(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    PickleFile::read(file).map_err(|error| pickle_error(path, error))
}

fn pickle_error(path: &Path, error: PickleError) -> Error {
    Error::Upscaler { path: path.to_owned(), source: Box::new(error.into()) }
}

/// Little-endian floats as f32.
fn widened(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    let halves = |bytes: &[u8]| bytes.as_chunks::<2>().0.iter().map(|&two| u16::from_le_bytes(two)).collect::<Vec<_>>();
    match dtype {
        Dtype::F16 => halves(bytes).into_iter().map(|bits| half::f16::from_bits(bits).to_f32()).collect(),
        Dtype::Bf16 => halves(bytes).into_iter().map(|bits| half::bf16::from_bits(bits).to_f32()).collect(),
        _ => bytes.as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four)).collect(),
    }
}
