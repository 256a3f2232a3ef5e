//! The VAE's configuration, from vae/config.json or from tensors in either naming.

use super::{
    VaeConfig,
    json::{ConfigFile, WIDTH},
    tensors::{Shapes, groups},
    vae::SDXL_SCALING_FACTOR,
};
use crate::{error::Error, naming::Naming};
use serde_json::{Value, json};
use std::path::Path;

/// Reads the configuration from config.json.
pub(crate) fn vae_from_json(file: &ConfigFile) -> Result<VaeConfig, Error> {
    let null = Value::Null;
    file.must_be("act_fn", &[json!("silu"), json!("swish"), null.clone()])?;
    statistics(file)?;
    let down = file.texts("down_block_types")?;
    if !(1..=8).contains(&down.len()) || down.iter().any(|&name| name != "DownEncoderBlock2D") {
        return Err(file.bad("down_block_types", "1 to 8 times DownEncoderBlock2D"));
    }
    let up = file.texts("up_block_types")?;
    if up.len() != down.len() || up.iter().any(|&name| name != "UpDecoderBlock2D") {
        return Err(file.bad("up_block_types", format!("{} times UpDecoderBlock2D", down.len())));
    }
    let config = VaeConfig {
        in_channels: file.size("in_channels", Some(3), WIDTH)?,
        out_channels: file.size("out_channels", Some(3), WIDTH)?,
        latent_channels: file.size("latent_channels", Some(4), WIDTH)?,
        block_out_channels: file.sizes("block_out_channels", None, down.len(), WIDTH)?,
        layers_per_block: file.size("layers_per_block", Some(1), 1..=16)?,
        norm_num_groups: file.size("norm_num_groups", Some(32), WIDTH)?,
        scaling_factor: file.positive("scaling_factor", 0.18215)?,
        shift_factor: file.number("shift_factor", 0.0)?,
        mid_attention: file.flag("mid_block_add_attention", true)?,
        use_quant_conv: file.flag("use_quant_conv", true)?,
        use_post_quant_conv: file.flag("use_post_quant_conv", true)?,
        force_upcast: file.flag("force_upcast", true)?,
    };
    check(config, &file.path)
}

/// Checks `latents_mean` and `latents_std`, which only the VAE of Playground 2.5 has. They are read with the scheduler.
fn statistics(file: &ConfigFile) -> Result<(), Error> {
    for key in ["latents_mean", "latents_std"] {
        let is_four = |list: &Vec<Value>| list.len() == 4 && list.iter().all(Value::is_number);
        if file.get(key).is_some_and(|value| !value.as_array().is_some_and(is_four)) {
            return Err(file.bad(key, "null or four numbers"));
        }
    }
    Ok(())
}

/// Derives levels, widths and layers from tensors; everything else is SDXL's.
pub(crate) fn vae_from_tensors(shapes: &Shapes<'_>, naming: Naming) -> Result<VaeConfig, Error> {
    let (levels, blocks, attention) = match naming {
        Naming::Ldm => ("encoder.down", "block", "decoder.mid.attn_1.norm.weight"),
        Naming::Diffusers => ("encoder.down_blocks", "resnets", "decoder.mid_block.attentions.0.group_norm.weight"),
    };
    let [_, in_channels, _, _] = shapes.need("encoder.conv_in.weight")?;
    let [out_channels, _, _, _] = shapes.need("decoder.conv_out.weight")?;
    let [_, latent_channels, _, _] = shapes.need("decoder.conv_in.weight")?;
    let count = shapes.count(levels, &format!("{blocks}.0.conv1.weight")).clamp(1, 8);
    let block_out_channels: Vec<usize> = (0..count)
        .map(|level| shapes.need(&format!("{levels}.{level}.{blocks}.0.conv1.weight")).map(|[out, _, _, _]| out))
        .collect::<Result<_, _>>()?;
    let config = VaeConfig {
        in_channels,
        out_channels,
        latent_channels,
        layers_per_block: shapes.count(&format!("{levels}.0.{blocks}"), "conv1.weight").clamp(1, 16),
        norm_num_groups: groups(block_out_channels.iter().copied()),
        block_out_channels,
        scaling_factor: SDXL_SCALING_FACTOR,
        shift_factor: 0.0,
        mid_attention: shapes.has(attention),
        use_quant_conv: shapes.has("quant_conv.weight"),
        use_post_quant_conv: shapes.has("post_quant_conv.weight"),
        force_upcast: true,
    };
    check(config, shapes.path)
}

fn check(config: VaeConfig, path: &Path) -> Result<VaeConfig, Error> {
    let groups = config.norm_num_groups;
    match config.block_out_channels.iter().find(|width| !width.is_multiple_of(groups)) {
        None => Ok(config),
        Some(width) => Err(Error::Config {
            path: path.to_owned(),
            key: "norm_num_groups".into(),
            value: groups.to_string(),
            supported: format!("a divisor of every width, also {width}"),
        }),
    }
}
