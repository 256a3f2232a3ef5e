//! The size of the pictures used in training.

use super::{Note, Said};
use crate::{Part, shape::Shape, source::Sources};
use serde_json::Value;
use std::collections::BTreeMap;

/// Metadata of a single file: ModelSpec's (`1024x1024`), then kohya's (`(1024, 1024)`).
const METADATA: [&str; 2] = ["modelspec.resolution", "ss_resolution"];

/// Sides above this are considered invalid, in pixels.
const MOST_PX: u64 = 1 << 15;

/// Width and height in pixels: the UNet's `sample_size` times the VAE's factor, or the size in the metadata.
pub(super) fn trained(
    sources: &Sources,
    shapes: &BTreeMap<Part, Shape>,
    notes: &mut Vec<Note>,
) -> Option<Said<[u32; 2]>> {
    let config = sources.parts.get(&Part::Unet).and_then(|unet| unet.config.as_ref());
    if let Some(value) = config.and_then(|config| config.get("sample_size")) {
        let size = latent_size(value).and_then(|sides| in_bounds(sides.map(|side| side * factor(shapes))));
        if size.is_none() {
            let shown = crate::safetensors::one_line(&value.to_string());
            notes.push(Note { field: "size", text: format!("the UNet's sample_size is {shown}, which is no size") });
        }
        return size.map(|size| Said::new(size, "UNet sample_size"));
    }
    let metadata = &sources.files.first()?.header.metadata;
    let (key, text) = METADATA.into_iter().find_map(|key| Some((key, metadata.get(key)?)))?;
    let size = resolution(text).and_then(in_bounds);
    if size.is_none() {
        let shown: String = crate::safetensors::one_line(text).chars().take(40).collect();
        notes.push(Note { field: "size", text: format!("the metadata's {key} is {shown:?}, which is no size") });
    }
    size.map(|size| Said::new(size, format!("metadata {key}")))
}

/// Size of a picture divided by the size of its latent: it doubles between two of the VAE's levels.
fn factor(shapes: &BTreeMap<Part, Shape>) -> u64 {
    match shapes.get(&Part::Vae) {
        Some(Shape::Vae(vae)) => 1 << (vae.block_out_channels.len().clamp(1, 8) - 1),
        _ => 8,
    }
}

/// Width and height of the latent. `sample_size` is one number, or height and width.
fn latent_size(value: &Value) -> Option<[u64; 2]> {
    match value {
        Value::Array(sides) => match sides.as_slice() {
            [height, width] => Some([width.as_u64()?, height.as_u64()?]),
            _ => None,
        },
        side => side.as_u64().map(|side| [side, side]),
    }
    .filter(|sides| sides.iter().all(|side| (1..=MOST_PX).contains(side)))
}

/// The two numbers of `1024x1024` or `(1024, 1024)`; one number means both.
fn resolution(text: &str) -> Option<[u64; 2]> {
    let numbers: Vec<u64> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| digits.parse().ok())
        .collect::<Option<_>>()?;
    match numbers[..] {
        [width, height] => Some([width, height]),
        [side] => Some([side, side]),
        _ => None,
    }
}

fn in_bounds(sides: [u64; 2]) -> Option<[u32; 2]> {
    let side = |side: u64| (1..=MOST_PX).contains(&side).then_some(side as u32);
    Some([side(sides[0])?, side(sides[1])?])
}
