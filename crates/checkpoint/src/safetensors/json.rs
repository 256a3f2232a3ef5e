//! Parses the header's JSON in one pass into types that cannot become larger than the text.

use crate::{
    error::HeaderError,
    limits::{MAX_RANK, MAX_TENSORS},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::{collections::BTreeMap, fmt};

/// Marks, in a serde error, that the limit was reached: serde errors carry only text.
const TOO_MANY: &str = "more tensors than the limit";
const TWO_METADATA: &str = "__metadata__ twice";

#[derive(Default)]
pub(super) struct RawHeader {
    pub metadata: BTreeMap<String, String>,
    pub tensors: Vec<(String, RawTensor)>,
}

/// A tensor's entry as written in the file.
pub(super) struct RawTensor {
    pub dtype: String,
    /// The first [`MAX_RANK`] sides.
    pub shape: Vec<u64>,
    /// The number of sides in the file.
    pub rank: usize,
    pub offsets: [u64; 2],
}

pub(super) fn parse_json(json: &[u8]) -> Result<RawHeader, HeaderError> {
    serde_json::from_slice(json).map_err(|error| {
        let message = error.to_string();
        if message.starts_with(TOO_MANY) {
            HeaderError::TooManyTensors { limit: MAX_TENSORS }
        } else {
            HeaderError::Json { message: one_line(&message) }
        }
    })
}

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = RawHeader;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
                let mut header = RawHeader::default();
                let mut metadata = None;
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        let text: Option<BTreeMap<String, String>> = map.next_value()?;
                        if metadata.replace(text.unwrap_or_default()).is_some() {
                            return Err(A::Error::custom(TWO_METADATA));
                        }
                    } else if header.tensors.len() == MAX_TENSORS {
                        return Err(A::Error::custom(TOO_MANY));
                    } else {
                        header.tensors.push((name, map.next_value()?));
                    }
                }
                header.metadata = metadata.unwrap_or_default();
                Ok(header)
            }
        }
        from.deserialize_map(Entries)
    }
}

impl<'de> Deserialize<'de> for RawTensor {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            dtype: String,
            shape: Sides,
            data_offsets: [u64; 2],
        }
        let Fields { dtype, shape: Sides { first, count }, data_offsets } = Fields::deserialize(from)?;
        Ok(Self { dtype, shape: first, rank: count, offsets: data_offsets })
    }
}

/// A shape: its first sides and their number, so that a list of millions uses no memory.
struct Sides {
    first: Vec<u64>,
    count: usize,
}

impl<'de> Deserialize<'de> for Sides {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Sides;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a shape")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Sides, A::Error> {
                let mut first = Vec::new();
                while first.len() < MAX_RANK {
                    match list.next_element()? {
                        Some(side) => first.push(side),
                        None => return Ok(Sides { count: first.len(), first }),
                    }
                }
                let mut count = first.len();
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Sides { first, count })
            }
        }
        from.deserialize_seq(List)
    }
}

/// Makes foreign text safe for a message: one line, printable, at most 120 characters.
pub(crate) fn one_line(text: &str) -> String {
    let mut shown: String = text.chars().take(120).map(|c| if c.is_control() { '?' } else { c }).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}
