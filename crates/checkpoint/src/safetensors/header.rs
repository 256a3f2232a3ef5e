//! The header: parsed into bounded types, then checked against the file's length.

use super::{
    file::Content,
    json::{RawTensor, one_line, parse_json},
    sniff,
};
use crate::{
    Dtype,
    error::{HeaderError, TensorError},
    gguf::{self, GgufHeader, GgufTensor},
    limits::{MAX_HEADER_BYTES, MAX_NAME_BYTES, MAX_RANK},
};
use std::{
    collections::{BTreeMap, HashSet},
    io,
};

/// The checked header of a safetensors file, or of a GGUF file: every tensor lies inside the file, none overlap, and no
/// bytes are left over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The free-form `__metadata__`; of a GGUF file its numbers and short texts.
    pub metadata: BTreeMap<String, String>,
    /// All tensors, by offset.
    pub tensors: Vec<Tensor>,
}

/// One tensor of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name: at most 1024 bytes, no control characters.
    pub name: String,
    /// Its number type.
    pub dtype: Dtype,
    /// Its shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// Its first byte, from the start of the file.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

impl Tensor {
    /// Number of values.
    pub fn elements(&self) -> u64 {
        self.bytes / self.dtype.bytes() * self.dtype.block_values()
    }
}

impl Header {
    /// Parses the header of a whole file in memory.
    ///
    /// # Errors
    /// Any [`HeaderError`].
    pub fn from_bytes(file: &[u8]) -> Result<Self, HeaderError> {
        if gguf::is_gguf(file) {
            let mut read = |buffer: &mut [u8], offset: u64| {
                let piece = usize::try_from(offset).ok().and_then(|offset| file.get(offset..)?.get(..buffer.len()));
                piece.map(|piece| buffer.copy_from_slice(piece)).ok_or(io::ErrorKind::UnexpectedEof.into())
            };
            // A slice gives no other errors than that it ends.
            let ends = |_| HeaderError::Gguf { message: "it is cut short".to_owned() };
            return gguf::read(&mut read, file.len() as u64).map_err(ends)?.map(Self::from);
        }
        let length = header_length(file, file.len() as u64)?;
        let json = file.get(8..8 + length as usize).unwrap_or_default();
        Self::from_json(json, file.len() as u64)
    }

    /// Reads the header of an open file of the given length. Nothing after the header is read.
    ///
    /// # Errors
    /// I/O errors, or any [`HeaderError`].
    pub(super) fn read(file: &Content, file_bytes: u64) -> io::Result<Result<Self, HeaderError>> {
        let mut start = [0; 64];
        let known = file_bytes.min(64) as usize;
        file.read_exact_at(&mut start[..known], 0)?;
        if gguf::is_gguf(&start[..known]) {
            let mut read = |buffer: &mut [u8], offset| file.read_exact_at(buffer, offset);
            return Ok(gguf::read(&mut read, file_bytes)?.map(Self::from));
        }
        let length = match header_length(&start[..known], file_bytes) {
            Ok(length) => length,
            Err(error) => return Ok(Err(error)),
        };
        let mut json = vec![0; length as usize];
        file.read_exact_at(&mut json, 8)?;
        Ok(Self::from_json(&json, file_bytes))
    }

    fn from_json(json: &[u8], file_bytes: u64) -> Result<Self, HeaderError> {
        let raw = parse_json(json)?;
        let start = 8 + json.len() as u64;
        let data = file_bytes - start;
        let mut names = HashSet::with_capacity(raw.tensors.len());
        for (name, _) in &raw.tensors {
            if name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
                return Err(HeaderError::Name { name: one_line(name) });
            }
            if !names.insert(name.as_str()) {
                return Err(HeaderError::Duplicate { name: name.clone() });
            }
        }
        drop(names);
        let mut tensors = raw
            .tensors
            .into_iter()
            .map(|(name, tensor)| tensor_from_raw(name, tensor, start, data))
            .collect::<Result<Vec<_>, _>>()?;
        tensors.sort_by(|a, b| (a.offset, a.bytes, &a.name).cmp(&(b.offset, b.bytes, &b.name)));
        check_cover(&tensors, start, data)?;
        Ok(Self { metadata: raw.metadata, tensors })
    }
}

impl From<GgufHeader> for Header {
    fn from(GgufHeader { metadata, tensors }: GgufHeader) -> Self {
        let tensor = |GgufTensor { name, dtype, shape, offset, bytes }| Tensor { name, dtype, shape, offset, bytes };
        Self { metadata, tensors: tensors.into_iter().map(tensor).collect() }
    }
}

/// The header length from the first eight bytes, if it is plausible.
fn header_length(start: &[u8], file_bytes: u64) -> Result<u64, HeaderError> {
    let refused = |otherwise| sniff::not_safetensors(start).unwrap_or(otherwise);
    let Some((length, rest)) = start.split_first_chunk::<8>() else {
        return Err(match start {
            [] => HeaderError::Empty,
            _ => refused(HeaderError::NotSafetensors { looks_like: "shorter than eight bytes" }),
        });
    };
    let header = u64::from_le_bytes(*length);
    if header > file_bytes - 8 {
        return Err(refused(HeaderError::HeaderBeyondFile { header, file: file_bytes }));
    }
    if header > MAX_HEADER_BYTES {
        return Err(refused(HeaderError::HeaderTooLong { header, limit: MAX_HEADER_BYTES }));
    }
    // The format requires a brace as the first byte. The bytes 0x80 0x02 may start a pickle or a length.
    if rest.first() != Some(&b'{') {
        return Err(refused(HeaderError::NotSafetensors { looks_like: "its header is not JSON" }));
    }
    Ok(header)
}

fn tensor_from_raw(name: String, raw: RawTensor, start: u64, data: u64) -> Result<Tensor, HeaderError> {
    let fail = |name: &str, reason| HeaderError::Tensor { name: name.to_owned(), reason };
    let RawTensor { dtype: dtype_name, shape, rank, offsets: [begin, end] } = raw;
    if rank > MAX_RANK {
        return Err(fail(&name, TensorError::Rank { rank, limit: MAX_RANK }));
    }
    let Some(dtype) = Dtype::parse(&dtype_name) else {
        return Err(fail(&name, TensorError::Dtype { dtype: one_line(&dtype_name) }));
    };
    if begin > end {
        return Err(fail(&name, TensorError::Range { begin, end, data }));
    }
    if end > data {
        return Err(fail(&name, TensorError::Truncated { begin, end, data }));
    }
    let bytes = end - begin;
    let size = shape.iter().try_fold(dtype.bytes(), |product, &n| product.checked_mul(n));
    let sides: Result<Vec<usize>, _> = shape.iter().map(|&n| usize::try_from(n)).collect();
    match (size, sides) {
        (Some(size), Ok(shape)) if size == bytes => Ok(Tensor { name, dtype, shape, offset: start + begin, bytes }),
        _ => Err(fail(&name, TensorError::Size { shape, dtype: dtype.to_string(), bytes })),
    }
}

/// Checks that tensors, sorted by offset, follow each other without overlap or gap and end with the file.
fn check_cover(tensors: &[Tensor], start: u64, data: u64) -> Result<(), HeaderError> {
    let mut at = 0;
    for tensor in tensors {
        let begin = tensor.offset - start;
        let end = begin + tensor.bytes;
        if begin > at {
            return Err(HeaderError::Gap { at, bytes: begin - at });
        }
        if begin < at {
            let reason = TensorError::Range { begin, end, data };
            return Err(HeaderError::Tensor { name: tensor.name.clone(), reason });
        }
        at = end;
    }
    if at < data { Err(HeaderError::Gap { at, bytes: data - at }) } else { Ok(()) }
}
