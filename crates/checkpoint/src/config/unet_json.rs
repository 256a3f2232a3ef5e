//! The UNet's configuration from unet/config.json. Every key that diffusers knows and SDXL leaves at its default must
//! have that default.

use super::{
    UnetConfig,
    json::{ConfigFile, WIDTH},
    unet_build::{Level, check, down_blocks, middle, up_blocks},
};
use crate::error::Error;
use serde_json::{Value, json};

/// Limits that keep the generated lists short. SDXL has 3 levels, 2 layers, depth 10.
const LEVELS: std::ops::RangeInclusive<usize> = 1..=8;
const LAYERS: std::ops::RangeInclusive<usize> = 1..=16;
const DEPTH: std::ops::RangeInclusive<usize> = 0..=64;

/// Reads the configuration.
pub(crate) fn unet_from_json(file: &ConfigFile) -> Result<UnetConfig, Error> {
    check_fixed(file)?;
    let levels = levels(file)?;
    let depth = || {
        let depths = file.get("transformer_layers_per_block");
        match depths.and_then(Value::as_array).and_then(|list| list.last()).or(depths) {
            None => Ok(1),
            // If this is a list, diffusers uses its first number, since the middle has one transformer.
            Some(last) => whole(last.as_array().and_then(|list| list.first()).unwrap_or(last))
                .ok_or_else(|| file.bad("transformer_layers_per_block", "numbers up to 64")),
        }
    };
    let mid = match file.map.get("mid_block_type") {
        Some(Value::Null) => None,
        value => Some(match value.map(Value::as_str) {
            None | Some(Some("UNetMidBlock2DCrossAttn")) => middle(&levels, Some(depth()?)),
            Some(Some("UNetMidBlock2D")) => middle(&levels, None),
            Some(_) => return Err(file.bad("mid_block_type", "UNetMidBlock2DCrossAttn, UNetMidBlock2D or null")),
        }),
    };
    let config = UnetConfig {
        in_channels: file.size("in_channels", Some(4), WIDTH)?,
        out_channels: file.size("out_channels", Some(4), WIDTH)?,
        down: down_blocks(&levels),
        mid,
        up: up_blocks(&levels),
        cross_attention_dim: same(file, "cross_attention_dim", Some(1280), levels.len())?,
        time_embed_dim: 4 * levels[0].channels,
        addition_time_embed_dim: file.size("addition_time_embed_dim", None, WIDTH)?,
        projection_class_embeddings_input_dim: file.size("projection_class_embeddings_input_dim", None, WIDTH)?,
        norm_num_groups: file.size("norm_num_groups", Some(32), WIDTH)?,
        norm_eps: file.positive("norm_eps", 1e-5)?,
        flip_sin_to_cos: file.flag("flip_sin_to_cos", true)?,
        freq_shift: file.number("freq_shift", 0.0)?,
    };
    check(&config, &file.path)?;
    Ok(config)
}

fn check_fixed(file: &ConfigFile) -> Result<(), Error> {
    let null = Value::Null;
    file.must_be("addition_embed_type", &[json!("text_time")])?;
    file.must_be("act_fn", &[json!("silu"), json!("swish"), null.clone()])?;
    for key in ["attention_type", "resnet_time_scale_shift"] {
        file.must_be(key, &[json!("default"), null.clone()])?;
    }
    file.must_be("time_embedding_type", &[json!("positional"), null.clone()])?;
    for key in ["conv_in_kernel", "conv_out_kernel"] {
        file.must_be(key, &[json!(3), null.clone()])?;
    }
    for key in ["downsample_padding", "mid_block_scale_factor", "resnet_out_scale_factor"] {
        file.must_be(key, &[json!(1), null.clone()])?;
    }
    for key in [
        "center_input_sample",
        "class_embeddings_concat",
        "dual_cross_attention",
        "mid_block_only_cross_attention",
        "only_cross_attention",
        "resnet_skip_time_act",
    ] {
        file.must_be(key, &[json!(false), null.clone()])?;
    }
    for key in [
        "class_embed_type",
        "cross_attention_norm",
        "encoder_hid_dim",
        "encoder_hid_dim_type",
        "num_attention_heads",
        "num_class_embeds",
        "time_cond_proj_dim",
        "time_embedding_act_fn",
        "time_embedding_dim",
        "timestep_post_act",
    ] {
        file.must_be(key, std::slice::from_ref(&null))?;
    }
    Ok(())
}

fn levels(file: &ConfigFile) -> Result<Vec<Level>, Error> {
    let down = attention(file, "down_block_types", "DownBlock2D", "CrossAttnDownBlock2D")?;
    let up = attention(file, "up_block_types", "UpBlock2D", "CrossAttnUpBlock2D")?;
    let count = down.len();
    if !LEVELS.contains(&count) {
        return Err(file.bad("down_block_types", "1 to 8 blocks"));
    }
    if up.len() != count {
        return Err(file.bad("up_block_types", format!("as many blocks as down_block_types: {count}")));
    }
    let channels = file.sizes("block_out_channels", None, count, WIDTH)?;
    let layers = file.sizes("layers_per_block", Some(2), count, LAYERS)?;
    let heads = file.sizes("attention_head_dim", Some(8), count, WIDTH)?;
    let reversed = file.get("reverse_transformer_layers_per_block").is_some();
    let up_key = if reversed { "reverse_transformer_layers_per_block" } else { "transformer_layers_per_block" };
    let level = |index: usize| {
        // Up blocks are listed from the innermost outwards.
        let mirror = count - 1 - index;
        let up_index = if reversed { mirror } else { index };
        let down_depths = depths(file, "transformer_layers_per_block", index, layers[index], down[index])?;
        let up_depths = depths(file, up_key, up_index, layers[index] + 1, up[mirror])?;
        Ok(Level { channels: channels[index], layers: layers[index], heads: heads[index], down_depths, up_depths })
    };
    (0..count).map(level).collect()
}

/// Whether each block has attention, according to its type.
fn attention(file: &ConfigFile, key: &str, plain: &str, crossed: &str) -> Result<Vec<bool>, Error> {
    let one = |name: &str| match name {
        _ if name == plain => Ok(false),
        _ if name == crossed => Ok(true),
        _ => Err(file.bad(key, format!("{plain} and {crossed}"))),
    };
    file.texts(key)?.into_iter().map(one).collect()
}

/// Transformer blocks after each of a block's ResNets. The config has one number for all blocks, one per block, or a
/// list per block with one number per ResNet.
fn depths(file: &ConfigFile, key: &str, block: usize, layers: usize, attends: bool) -> Result<Vec<usize>, Error> {
    if !attends {
        return Ok(Vec::new());
    }
    let value = match file.get(key) {
        None => return Ok(vec![1; layers]),
        Some(Value::Array(list)) => list.get(block),
        Some(value) => Some(value),
    };
    let found = match value {
        Some(Value::Array(list)) => list.iter().map(whole).collect::<Option<Vec<_>>>(),
        Some(value) => whole(value).map(|depth| vec![depth; layers]),
        None => None,
    };
    let supported = || format!("for block {block} a number up to 64, or a list of {layers} such");
    found.filter(|depths| depths.len() == layers).ok_or_else(|| file.bad(key, supported()))
}

fn whole(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| DEPTH.contains(n))
}

/// A width that may be listed per block but must be the same for all.
fn same(file: &ConfigFile, key: &str, default: Option<usize>, count: usize) -> Result<usize, Error> {
    let all = file.sizes(key, default, count, WIDTH)?;
    if all.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(file.bad(key, "the same number for every block"));
    }
    Ok(all[0])
}
