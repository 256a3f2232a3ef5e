//! The UNet's configuration from the tensors of a single file.

use super::{
    UnetConfig, UnetMid,
    tensors::{Shapes, groups},
    unet_build::{Level, check, down_blocks, middle, up_blocks},
};
use crate::error::Error;

/// SDXL's number of sinusoid values per size number, used if no text encoder gives the pooled width.
const SINES: usize = 256;

/// Derives the configuration. `pooled` is the width of the second text encoder's projection, if known.
pub(crate) fn unet_from_tensors(shapes: &Shapes<'_>, pooled: Option<usize>) -> Result<UnetConfig, Error> {
    let [_, in_channels, _, _] = shapes.need("input_blocks.0.0.weight")?;
    let [out_channels, _, _, _] = shapes.need("out.2.weight")?;
    let [time_embed_dim, added] = shapes.need("label_emb.0.0.weight")?;
    let mut levels = down_levels(shapes)?;
    add_up_depths(shapes, &mut levels);
    let mut number = 1;
    for level in &mut levels {
        let name = format!("input_blocks.{number}.0.out_layers.3.weight");
        number += level.layers + 1;
        let attends = !(level.down_depths.is_empty() && level.up_depths.is_empty());
        level.heads = if attends { shapes.heads(&name, level.channels)? } else { 1 };
    }
    // KOALA 700M has no middle.
    let has_middle = shapes.by_name.keys().any(|name| name.starts_with("middle_block."));
    let mid = if has_middle { Some(middle_block(shapes, &levels)?) } else { None };
    let config = UnetConfig {
        in_channels,
        out_channels,
        down: down_blocks(&levels),
        mid,
        up: up_blocks(&levels),
        cross_attention_dim: context_width(shapes)?,
        time_embed_dim,
        addition_time_embed_dim: pooled.map_or(SINES, |pooled| added.saturating_sub(pooled) / 6),
        projection_class_embeddings_input_dim: added,
        norm_num_groups: groups(levels.iter().map(|level| level.channels)),
        norm_eps: 1e-5,
        flip_sin_to_cos: true,
        freq_shift: 0.0,
    };
    check(&config, shapes.path)?;
    Ok(config)
}

fn middle_block(shapes: &Shapes<'_>, levels: &[Level]) -> Result<UnetMid, Error> {
    let depth = shapes.has("middle_block.1.norm.weight").then(|| depth(shapes, "middle_block.1"));
    let mut mid = middle(levels, depth);
    if depth.is_some() {
        mid.heads = shapes.heads("middle_block.0.out_layers.3.weight", mid.channels)?;
    }
    Ok(mid)
}

/// Blocks are numbered across all levels; a downsampler ends a level.
fn down_levels(shapes: &Shapes<'_>) -> Result<Vec<Level>, Error> {
    let mut levels: Vec<Level> = Vec::new();
    let mut opens = true;
    for number in 1.. {
        let at = format!("input_blocks.{number}");
        if shapes.has(&format!("{at}.0.op.weight")) {
            opens = true;
            continue;
        }
        let convolution = format!("{at}.0.out_layers.3.weight");
        if !shapes.has(&convolution) {
            break;
        }
        let [channels, _, _, _] = shapes.need(&convolution)?;
        if std::mem::take(&mut opens) {
            let (down_depths, up_depths) = (Vec::new(), Vec::new());
            levels.push(Level { channels, layers: 0, heads: 1, down_depths, up_depths });
        }
        let Some(level) = levels.last_mut() else { break };
        level.layers += 1;
        if shapes.has(&format!("{at}.1.norm.weight")) {
            // All layers of a level have attention or none has. If a layer differs, the plan reports its tensors.
            level.down_depths.resize(level.layers - 1, 0);
            level.down_depths.push(depth(shapes, &format!("{at}.1")));
        }
    }
    for level in &mut levels {
        if !level.down_depths.is_empty() {
            level.down_depths.resize(level.layers, 0);
        }
    }
    if levels.is_empty() {
        // Reports the first tensor of the first level as missing.
        shapes.need::<4>("input_blocks.1.0.out_layers.3.weight")?;
    }
    Ok(levels)
}

fn add_up_depths(shapes: &Shapes<'_>, levels: &mut [Level]) {
    let mut number = 0;
    for level in levels.iter_mut().rev() {
        let at: Vec<String> = (0..=level.layers).map(|layer| format!("output_blocks.{}.1", number + layer)).collect();
        number += level.layers + 1;
        if at.iter().any(|at| shapes.has(&format!("{at}.norm.weight"))) {
            level.up_depths = at.iter().map(|at| depth(shapes, at)).collect();
        }
    }
}

fn depth(shapes: &Shapes<'_>, transformer: &str) -> usize {
    shapes.count(&format!("{transformer}.transformer_blocks"), "norm1.weight")
}

/// Width of the text embeddings, from the keys of any cross-attention.
fn context_width(shapes: &Shapes<'_>) -> Result<usize, Error> {
    let keys = shapes.by_name.keys().filter(|name| name.ends_with(".attn2.to_k.weight"));
    // The first name in alphabetical order, so that the result does not depend on hash order.
    let first = keys.min().copied().unwrap_or("middle_block.1.transformer_blocks.0.attn2.to_k.weight");
    let [_, width] = shapes.need(first)?;
    Ok(width)
}
