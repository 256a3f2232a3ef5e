//! Reads a parameter's values in pieces and converts them.

use crate::{Dtype, Entry, Error, TensorRef, Transform, gguf, safetensors::WeightFile};
use half::{
    bf16, f16,
    slice::{HalfBitsSliceExt, HalfFloatSliceExt},
};

/// Bytes read at a time, at most. Reading needs this memory in addition to its result.
const PIECE_BYTES: u64 = 1 << 20;

/// Bytes of this type that are read at a time, of which `left` are left: whole values or blocks.
fn piece_bytes(dtype: Dtype, left: u64) -> usize {
    left.min(PIECE_BYTES / dtype.bytes() * dtype.bytes()) as usize
}

/// The numbers of `torch.float8_e4m3fn`: a sign, four bits of exponent with bias 7, three of mantissa. 0x7f and 0xff are
/// not a number; there is no infinity. All are exact in f16.
static E4M3: [f32; 256] = {
    let mut numbers = [0.0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (exponent, mantissa) = (((byte >> 3) & 15) as u32, (byte & 7) as u32);
        let magnitude = match (exponent, mantissa) {
            (15, 7) => f32::NAN,
            // Steps of 2^-9.
            (0, _) => mantissa as f32 / 512.0,
            _ => f32::from_bits(((exponent + 127 - 7) << 23) | (mantissa << 20)),
        };
        numbers[byte] = if byte < 128 { magnitude } else { -magnitude };
        byte += 1;
    }
    numbers
};

mod sealed {
    pub trait Sealed: Sized {
        /// The file format of this type.
        const DTYPE: crate::Dtype;
        /// Appends values in that format, little-endian.
        fn extend_from_bytes(out: &mut Vec<Self>, bytes: &[u8]);
        /// Appends values, each rounded to nearest.
        fn extend_from_f32(out: &mut Vec<Self>, numbers: &[f32]);
        fn is_infinite(&self) -> bool;
    }
}

use sealed::Sealed;

/// A number type that parameters can be read as: `f32`, `half::f16`, `half::bf16`.
pub trait Element: Copy + Default + Send + Sealed + 'static {}

impl Element for f32 {}
impl Element for f16 {}
impl Element for bf16 {}

impl Sealed for f32 {
    const DTYPE: Dtype = Dtype::F32;
    fn extend_from_bytes(out: &mut Vec<Self>, bytes: &[u8]) {
        out.extend(bytes.as_chunks::<4>().0.iter().map(|&four| Self::from_le_bytes(four)));
    }
    fn extend_from_f32(out: &mut Vec<Self>, numbers: &[f32]) {
        out.extend_from_slice(numbers);
    }
    fn is_infinite(&self) -> bool {
        Self::is_infinite(*self)
    }
}

macro_rules! half_element {
    ($half:ty, $dtype:expr) => {
        impl Sealed for $half {
            const DTYPE: Dtype = $dtype;
            fn extend_from_bytes(out: &mut Vec<Self>, bytes: &[u8]) {
                out.extend(bytes.as_chunks::<2>().0.iter().map(|&two| Self::from_le_bytes(two)));
            }
            fn extend_from_f32(out: &mut Vec<Self>, numbers: &[f32]) {
                let start = out.len();
                out.resize(start + numbers.len(), Self::ZERO);
                out[start..].convert_from_f32_slice(numbers);
            }
            fn is_infinite(&self) -> bool {
                Self::is_infinite(*self)
            }
        }
    };
}
half_element!(f16, Dtype::F16);
half_element!(bf16, Dtype::Bf16);

/// Reads one entry from its file.
pub(crate) fn read<E: Element>(file: &WeightFile, entry: &Entry) -> Result<Vec<E>, Error> {
    let source = &entry.source;
    let elements = usize::try_from(entry.elements()).unwrap_or(usize::MAX);
    let mut out = Vec::new();
    out.try_reserve_exact(elements)
        .map_err(|_| Error::Io { path: file.path.clone(), source: std::io::ErrorKind::OutOfMemory.into() })?;
    let skipped = match entry.transform {
        Transform::Rows { start, .. } => start as u64 * source.shape.iter().skip(1).map(|&n| n as u64).product::<u64>(),
        _ => 0,
    };
    let scale = entry.scale.as_ref().map(|scale| scale_of(file, scale)).transpose()?;
    // Rows are whole blocks.
    let mut offset = source.offset + skipped / source.dtype.block_values() * source.dtype.bytes();
    let mut left = entry.source_bytes();
    let mut bytes = vec![0; piece_bytes(source.dtype, left)];
    let mut numbers = Vec::new();
    while left > 0 {
        let piece = &mut bytes[..piece_bytes(source.dtype, left)];
        file.read_exact_at(piece, offset, &source.name)?;
        if source.dtype == E::DTYPE {
            E::extend_from_bytes(&mut out, piece);
        } else {
            widen(source.dtype, piece, &mut numbers);
            if let Some(scale) = scale {
                numbers.iter_mut().for_each(|number| *number *= scale);
            }
            let start = out.len();
            E::extend_from_f32(&mut out, &numbers);
            check_range(file, entry, &numbers, &out[start..])?;
        }
        offset += piece.len() as u64;
        left -= piece.len() as u64;
    }
    Ok(match (entry.transform, entry.shape.as_slice()) {
        (Transform::Transpose, &[rows, columns]) => transposed(&out, rows, columns),
        _ => out,
    })
}

/// Reads a tensor's values as f32, row-major.
pub(crate) fn values(file: &WeightFile, name: &str, dtype: Dtype, offset: u64, bytes: u64) -> Result<Vec<f32>, Error> {
    let count = usize::try_from(bytes / dtype.bytes() * dtype.block_values()).unwrap_or(usize::MAX);
    let mut out = Vec::new();
    out.try_reserve_exact(count)
        .map_err(|_| Error::Io { path: file.path.clone(), source: std::io::ErrorKind::OutOfMemory.into() })?;
    let mut piece = vec![0; piece_bytes(dtype, bytes)];
    let mut numbers = Vec::new();
    let mut done = 0;
    while done < bytes {
        let length = piece_bytes(dtype, bytes - done);
        file.read_exact_at(&mut piece[..length], offset.saturating_add(done), name)?;
        widen(dtype, &piece[..length], &mut numbers);
        out.extend_from_slice(&numbers);
        done += length as u64;
    }
    Ok(out)
}

/// The factor of a scaled fp8 weight.
fn scale_of(file: &WeightFile, scale: &TensorRef) -> Result<f32, Error> {
    let values = values(file, &scale.name, scale.dtype, scale.offset, scale.bytes)?;
    match values.as_slice() {
        [value] if value.is_finite() => Ok(*value),
        other => Err(Error::Config {
            path: file.path.clone(),
            key: scale.name.clone(),
            value: format!("{other:?}"),
            supported: "one finite number".to_owned(),
        }),
    }
}

/// Converts a piece's values to f32, replacing the content of `numbers`.
fn widen(dtype: Dtype, piece: &[u8], numbers: &mut Vec<f32>) {
    let bits = || piece.as_chunks::<2>().0.iter().map(|&two| u16::from_le_bytes(two)).collect::<Vec<_>>();
    numbers.clear();
    match dtype {
        Dtype::F16 => {
            numbers.resize(piece.len() / 2, 0.0);
            bits().reinterpret_cast::<f16>().convert_to_f32_slice(numbers);
        }
        Dtype::Bf16 => {
            numbers.resize(piece.len() / 2, 0.0);
            bits().reinterpret_cast::<bf16>().convert_to_f32_slice(numbers);
        }
        Dtype::F64 => numbers.extend(piece.as_chunks::<8>().0.iter().map(|&eight| f64::from_le_bytes(eight) as f32)),
        Dtype::F8E4m3 => numbers.extend(piece.iter().map(|&byte| E4M3[usize::from(byte)])),
        Dtype::F8E5m2 => numbers.extend(piece.iter().map(|&byte| f16::from_bits(u16::from(byte) << 8).to_f32())),
        _ if dtype.is_quantised() => gguf::widen(dtype, piece, numbers),
        // Other readable dtypes do not occur in a plan.
        _ => f32::extend_from_bytes(numbers, piece),
    }
}

/// Checks that no finite value became infinite. f16 ends at 65504, and an overflowed weight would only show as black
/// pictures.
fn check_range<E: Element>(file: &WeightFile, entry: &Entry, numbers: &[f32], read: &[E]) -> Result<(), Error> {
    if !matches!(E::DTYPE, Dtype::F16) {
        return Ok(());
    }
    let lost = numbers.iter().zip(read).find(|(number, read)| number.is_finite() && read.is_infinite());
    match lost {
        None => Ok(()),
        Some((&value, _)) => Err(Error::Overflow { path: file.path.clone(), tensor: entry.source.name.clone(), value }),
    }
}

/// Row-major `[rows, columns]` from the transposed matrix.
fn transposed<E: Copy>(of: &[E], rows: usize, columns: usize) -> Vec<E> {
    let mut out = Vec::with_capacity(of.len());
    for row in 0..rows {
        out.extend((0..columns).map(|column| of[column * rows + row]));
    }
    out
}
