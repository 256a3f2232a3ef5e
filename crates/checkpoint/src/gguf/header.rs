//! The header: metadata and the tensors' entries, checked against the file's length.

use super::{
    cursor::{Cursor, Fail, ReadAt, broken},
    metadata::Metadata,
};
use crate::{
    Dtype,
    error::{HeaderError, TensorError},
    limits::{MAX_HEADER_BYTES, MAX_NAME_BYTES, MAX_RANK, MAX_TENSORS},
};
use std::{
    collections::{BTreeMap, HashSet},
    io,
};

const MAGIC: &[u8; 4] = b"GGUF";
/// ComfyUI-GGUF writes one for each tensor that it reshapes, and a few others.
const MAX_KEYS: u64 = 100_000;

/// The checked header of a GGUF file: every tensor lies inside the file and none overlap. Between them are only the bytes that
/// the alignment needs.
pub(crate) struct GgufHeader {
    /// Numbers and short texts.
    pub metadata: BTreeMap<String, String>,
    /// All tensors, by offset.
    pub tensors: Vec<GgufTensor>,
}

/// One tensor of a header.
pub(crate) struct GgufTensor {
    pub name: String,
    pub dtype: Dtype,
    /// In PyTorch's order: the format has the sides reversed.
    pub shape: Vec<usize>,
    /// Its first byte, from the start of the file.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Whether a file that starts with these bytes is a GGUF file.
pub(crate) fn is_gguf(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

/// Reads the header of a file of this length. Nothing after the header is read.
pub(crate) fn read(read: ReadAt<'_>, file_bytes: u64) -> io::Result<Result<GgufHeader, HeaderError>> {
    match header(&mut Cursor::new(read, file_bytes.min(MAX_HEADER_BYTES)), file_bytes) {
        Ok(header) => Ok(Ok(header)),
        Err(Fail::Header(error)) => Ok(Err(error)),
        Err(Fail::Io(error)) => Err(error),
    }
}

fn header(cursor: &mut Cursor<'_>, file_bytes: u64) -> Result<GgufHeader, Fail> {
    cursor.take(MAGIC.len())?;
    match cursor.u32()? {
        2 | 3 => {}
        other if other.swap_bytes() < 16 => return Err(broken("it is big-endian")),
        other => return Err(broken(format!("version {other} is not supported; only 2 and 3 are"))),
    }
    let (count, keys) = (cursor.u64()?, cursor.u64()?);
    if count > MAX_TENSORS as u64 {
        return Err(HeaderError::TooManyTensors { limit: MAX_TENSORS }.into());
    }
    if keys > MAX_KEYS {
        return Err(broken(format!("it has more than {MAX_KEYS} keys")));
    }
    let metadata = Metadata::read(cursor, keys)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(entry(cursor)?);
    }
    let start = cursor.position().next_multiple_of(metadata.alignment);
    // A file without tensors can end before the padding.
    let data = file_bytes.saturating_sub(start);
    let mut names = HashSet::with_capacity(entries.len());
    if let Some(entry) = entries.iter().find(|entry| !names.insert(entry.name.as_str())) {
        return Err(HeaderError::Duplicate { name: entry.name.clone() }.into());
    }
    drop(names);
    let tensors = entries.into_iter().map(|entry| tensor(entry, &metadata, start, data));
    let mut tensors = tensors.collect::<Result<Vec<_>, Fail>>()?;
    tensors.sort_by(|a, b| (a.offset, a.bytes, &a.name).cmp(&(b.offset, b.bytes, &b.name)));
    check_cover(&tensors, start, data, metadata.alignment)?;
    Ok(GgufHeader { metadata: metadata.texts, tensors })
}

/// A tensor's entry as written in the file.
struct Entry {
    name: String,
    /// The fastest side first.
    sides: Vec<u64>,
    kind: u32,
    /// From the start of the data.
    offset: u64,
}

fn entry(cursor: &mut Cursor<'_>) -> Result<Entry, Fail> {
    let name = cursor.text(MAX_NAME_BYTES)?.ok_or_else(|| HeaderError::Name { name: String::new() })?;
    if name.chars().any(char::is_control) {
        let name = name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        return Err(HeaderError::Name { name }.into());
    }
    let rank = cursor.u32()? as usize;
    if rank > MAX_RANK {
        return Err(HeaderError::Tensor { name, reason: TensorError::Rank { rank, limit: MAX_RANK } }.into());
    }
    let sides = (0..rank).map(|_| cursor.u64()).collect::<Result<_, _>>()?;
    Ok(Entry { name, sides, kind: cursor.u32()?, offset: cursor.u64()? })
}

fn tensor(entry: Entry, metadata: &Metadata, start: u64, data: u64) -> Result<GgufTensor, Fail> {
    let Entry { name, sides, kind, offset } = entry;
    let fail = |reason| Fail::from(HeaderError::Tensor { name: name.clone(), reason });
    let dtype = dtype_of(kind).map_err(|dtype| fail(TensorError::Dtype { dtype }))?;
    if !offset.is_multiple_of(metadata.alignment) {
        return Err(broken(format!("tensor {name} is not aligned to {} bytes", metadata.alignment)));
    }
    let elements = |sides: &[u64]| sides.iter().try_fold(1u64, |product, &side| product.checked_mul(side));
    let row = sides.first().copied().unwrap_or(1);
    let count = elements(&sides).filter(|_| row.is_multiple_of(dtype.block_values()));
    let bytes = count.and_then(|count| (count / dtype.block_values()).checked_mul(dtype.bytes()));
    let reversed: Vec<u64> = sides.iter().rev().copied().collect();
    // The rows of a tensor that ComfyUI-GGUF has reshaped follow each other in the same order.
    let shape = metadata.shapes.get(&name).unwrap_or(&reversed);
    let true_shape = shape.iter().map(|&side| usize::try_from(side).ok()).collect::<Option<Vec<_>>>();
    let (Some(bytes), Some(true_shape)) = (bytes.filter(|_| elements(shape) == count), true_shape) else {
        let (shape, dtype) = (shape.clone(), dtype.to_string());
        return Err(fail(TensorError::Size { shape, dtype, bytes: bytes.unwrap_or(0) }));
    };
    match offset.checked_add(bytes) {
        Some(end) if end <= data => Ok(GgufTensor { name, dtype, shape: true_shape, offset: start + offset, bytes }),
        end => Err(fail(TensorError::Truncated { begin: offset, end: end.unwrap_or(u64::MAX), data })),
    }
}

/// Checks that tensors, sorted by offset, follow each other without overlap, and with fewer unused bytes than the alignment.
fn check_cover(tensors: &[GgufTensor], start: u64, data: u64, alignment: u64) -> Result<(), HeaderError> {
    let mut at = 0;
    for tensor in tensors {
        let begin = tensor.offset - start;
        let end = begin + tensor.bytes;
        if begin < at {
            let reason = TensorError::Range { begin, end, data };
            return Err(HeaderError::Tensor { name: tensor.name.clone(), reason });
        }
        if begin - at >= alignment {
            return Err(HeaderError::Gap { at, bytes: begin - at });
        }
        at = end;
    }
    if data - at >= alignment { Err(HeaderError::Gap { at, bytes: data - at }) } else { Ok(()) }
}

/// The number type of ggml's number, otherwise its name.
fn dtype_of(kind: u32) -> Result<Dtype, String> {
    Ok(match kind {
        0 => Dtype::F32,
        1 => Dtype::F16,
        2 => Dtype::Q4_0,
        3 => Dtype::Q4_1,
        6 => Dtype::Q5_0,
        7 => Dtype::Q5_1,
        8 => Dtype::Q8_0,
        12 => Dtype::Q4K,
        13 => Dtype::Q5K,
        14 => Dtype::Q6K,
        24 => Dtype::I8,
        25 => Dtype::I16,
        26 => Dtype::I32,
        27 => Dtype::I64,
        28 => Dtype::F64,
        30 => Dtype::Bf16,
        10 => return Err("Q2_K".to_owned()),
        11 => return Err("Q3_K".to_owned()),
        16..=23 | 29 => return Err(format!("IQ (ggml's type {kind})")),
        other => return Err(format!("ggml's type {other}")),
    })
}
