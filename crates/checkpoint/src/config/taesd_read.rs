//! TAESD's configuration, from taesd/config.json or from tensors in either naming.

use super::{
    TaesdConfig,
    json::{ConfigFile, WIDTH},
    tensors::Shapes,
};
use crate::{error::Error, naming::Naming};
use serde_json::{Value, json};

/// Reads the configuration from config.json.
pub(crate) fn taesd_from_json(file: &ConfigFile) -> Result<TaesdConfig, Error> {
    let null = Value::Null;
    file.must_be("act_fn", &[json!("relu"), null.clone()])?;
    file.must_be("upsample_fn", &[json!("nearest"), null.clone()])?;
    file.must_be("upsampling_scaling_factor", &[json!(2), null.clone()])?;
    file.must_be("shift_factor", &[json!(0), null])?;
    // The key is new. Some versions of taesdxl's file have only `block_out_channels`.
    let blocks = match file.get("num_decoder_blocks") {
        Some(Value::Array(list)) if (1..=8).contains(&list.len()) => {
            file.sizes("num_decoder_blocks", None, list.len(), 0..=16)?
        }
        None => vec![3, 3, 3, 1],
        Some(_) => return Err(file.bad("num_decoder_blocks", "1 to 8 numbers")),
    };
    let key = "decoder_block_out_channels";
    let widths = file.sizes(key, Some(64), blocks.len(), WIDTH)?;
    if widths.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(file.bad(key, "the same width for every stage"));
    }
    Ok(TaesdConfig {
        latent_channels: file.size("latent_channels", Some(4), WIDTH)?,
        out_channels: file.size("out_channels", Some(3), WIDTH)?,
        channels: widths[0],
        num_blocks: blocks,
        latent_magnitude: file.positive("latent_magnitude", 3.0)?,
        scaling_factor: file.positive("scaling_factor", 1.0)?,
    })
}

/// Derives the configuration from tensors.
pub(crate) fn taesd_from_tensors(shapes: &Shapes<'_>, naming: Naming) -> Result<TaesdConfig, Error> {
    let layer = |number: usize| match naming {
        Naming::Diffusers => format!("decoder.layers.{number}"),
        Naming::Ldm => (number + 1).to_string(),
    };
    let [channels, latent_channels, _, _] = shapes.need(&format!("{}.weight", layer(0)))?;
    let mut num_blocks = vec![0];
    let mut number = 2;
    let out_channels = loop {
        let at = layer(number);
        if shapes.has(&format!("{at}.conv.0.weight")) {
            if let Some(last) = num_blocks.last_mut() {
                *last += 1;
            }
            number += 1;
        } else if shapes.has(&format!("{at}.weight")) {
            let [out, _, _, _] = shapes.need(&format!("{at}.weight"))?;
            break out;
        } else {
            // An upsampler has no weights; the convolution after it must exist.
            shapes.need::<4>(&format!("{}.weight", layer(number + 1)))?;
            num_blocks.push(0);
            number += 2;
        }
    };
    Ok(TaesdConfig { latent_channels, out_channels, channels, num_blocks, latent_magnitude: 3.0, scaling_factor: 1.0 })
}
