//! The keys and values at the start of the file.

use super::cursor::{Cursor, Fail, broken};
use crate::limits::{MAX_NAME_BYTES, MAX_RANK};
use std::collections::BTreeMap;

/// The longest text that is kept, in bytes. Chat templates and word lists of language models are longer.
const MAX_TEXT_BYTES: usize = 1 << 12;
/// The start of the keys that contain the shape of a tensor that was stored with another one, because its rows did not divide
/// into blocks: ComfyUI-GGUF's.
const ORIGINAL_SHAPE: &str = "comfy.gguf.orig_shape.";
/// The key of the alignment of tensors, and its value without it.
const ALIGNMENT: &str = "general.alignment";
const DEFAULT_ALIGNMENT: u64 = 32;
const MAX_ALIGNMENT: u64 = 1 << 16;

/// What the keys say.
pub(super) struct Metadata {
    /// Numbers and short texts.
    pub(super) texts: BTreeMap<String, String>,
    /// The true shapes of some tensors.
    pub(super) shapes: BTreeMap<String, Vec<u64>>,
    /// Tensors start at multiples of this.
    pub(super) alignment: u64,
}

/// The types of values, by the format's numbers.
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// Bytes of a value of this type; none for texts, arrays and unknown types.
fn size(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

impl Metadata {
    /// Reads this many keys.
    pub(super) fn read(cursor: &mut Cursor<'_>, count: u64) -> Result<Self, Fail> {
        let mut metadata = Self { texts: BTreeMap::new(), shapes: BTreeMap::new(), alignment: DEFAULT_ALIGNMENT };
        for _ in 0..count {
            let key = cursor.text(MAX_NAME_BYTES)?.ok_or_else(|| broken("a key is too long"))?;
            let kind = cursor.u32()?;
            match kind {
                STRING => {
                    if let Some(text) = cursor.text(MAX_TEXT_BYTES)? {
                        metadata.texts.insert(key, text);
                    }
                }
                ARRAY => {
                    let shape = array(cursor, key.starts_with(ORIGINAL_SHAPE))?;
                    if let (Some(name), Some(shape)) = (key.strip_prefix(ORIGINAL_SHAPE), shape) {
                        metadata.shapes.insert(name.to_owned(), shape);
                    }
                }
                _ => {
                    let number = number(cursor, kind)?;
                    if key == ALIGNMENT {
                        metadata.alignment = alignment(&number)?;
                    }
                    metadata.texts.insert(key, number);
                }
            }
        }
        Ok(metadata)
    }
}

fn alignment(number: &str) -> Result<u64, Fail> {
    let fits = |alignment: &u64| alignment.is_power_of_two() && (8..=MAX_ALIGNMENT).contains(alignment);
    number.parse().ok().filter(fits).ok_or_else(|| broken(format!("{ALIGNMENT} is {number}")))
}

fn number(cursor: &mut Cursor<'_>, kind: u32) -> Result<String, Fail> {
    Ok(match kind {
        0 => u8::from_le_bytes(cursor.array()?).to_string(),
        1 => i8::from_le_bytes(cursor.array()?).to_string(),
        2 => u16::from_le_bytes(cursor.array()?).to_string(),
        3 => i16::from_le_bytes(cursor.array()?).to_string(),
        4 => u32::from_le_bytes(cursor.array()?).to_string(),
        5 => i32::from_le_bytes(cursor.array()?).to_string(),
        6 => f32::from_le_bytes(cursor.array()?).to_string(),
        7 => (cursor.array::<1>()? != [0]).to_string(),
        10 => u64::from_le_bytes(cursor.array()?).to_string(),
        11 => i64::from_le_bytes(cursor.array()?).to_string(),
        12 => f64::from_le_bytes(cursor.array()?).to_string(),
        other => return Err(broken(format!("a value has the unknown type {other}"))),
    })
}

/// Passes over an array, or reads it as a shape: i32 numbers, at most [`MAX_RANK`].
fn array(cursor: &mut Cursor<'_>, is_shape: bool) -> Result<Option<Vec<u64>>, Fail> {
    let (kind, count) = (cursor.u32()?, cursor.u64()?);
    if is_shape {
        if kind != 5 || count > MAX_RANK as u64 {
            return Err(broken("an original shape is not a list of i32 numbers"));
        }
        let side = |cursor: &mut Cursor<'_>| {
            let side = i32::from_le_bytes(cursor.array()?);
            u64::try_from(side).map_err(|_| broken(format!("an original shape has the side {side}")))
        };
        return (0..count).map(|_| side(cursor)).collect::<Result<_, _>>().map(Some);
    }
    match size(kind) {
        Some(size) => cursor.skip(size.saturating_mul(count))?,
        None if kind == STRING => {
            for _ in 0..count {
                cursor.text(0)?;
            }
        }
        None => return Err(broken(format!("an array has values of the type {kind}"))),
    }
    Ok(None)
}
