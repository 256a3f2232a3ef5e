//! Derives a UNet's blocks from the few numbers in its config, as diffusers' constructor does.

use super::{UnetBlock, UnetConfig, UnetMid};
use crate::error::Error;
use std::path::Path;

/// One level of the UNet. Levels are ordered from the outermost inwards.
pub(super) struct Level {
    pub channels: usize,
    /// Number of ResNets in the down block; the up block has one more.
    pub layers: usize,
    pub heads: usize,
    /// Transformer blocks after each ResNet of the down block, `layers` entries; empty without attention.
    pub down_depths: Vec<usize>,
    /// The same for the up block, `layers + 1` entries.
    pub up_depths: Vec<usize>,
}

/// The down blocks: each ResNet's input is the previous one's output.
pub(super) fn down_blocks(levels: &[Level]) -> Vec<UnetBlock> {
    let mut input = levels.first().map_or(0, |level| level.channels);
    let last = levels.len().saturating_sub(1);
    let block = |(index, level): (usize, &Level)| {
        let mut resnet_in_channels = vec![level.channels; level.layers];
        if let Some(first) = resnet_in_channels.first_mut() {
            *first = input;
        }
        input = level.channels;
        UnetBlock {
            resnet_in_channels,
            out_channels: level.channels,
            transformer_depths: level.down_depths.clone(),
            heads: heads(&level.down_depths, level),
            resamples: index < last,
        }
    };
    levels.iter().enumerate().map(block).collect()
}

/// Returns 1 for a block without attention: configs have a value there too, and it must not make equal models differ.
fn heads(depths: &[usize], level: &Level) -> usize {
    if depths.is_empty() { 1 } else { level.heads }
}

/// The up blocks: each ResNet also gets its skip's channels, and the last one of a block gets the skip from the next
/// outer level.
pub(super) fn up_blocks(levels: &[Level]) -> Vec<UnetBlock> {
    let channels = |level: usize| levels[level].channels;
    let block = |(index, level): (usize, &Level)| {
        let own = level.channels;
        let before = channels((index + 1).min(levels.len() - 1));
        let outside = channels(index.saturating_sub(1));
        let resnet_in_channels = (0..=level.layers)
            .map(|layer| {
                let input = if layer == 0 { before } else { own };
                let skip = if layer == level.layers { outside } else { own };
                input + skip
            })
            .collect();
        UnetBlock {
            resnet_in_channels,
            out_channels: own,
            transformer_depths: level.up_depths.clone(),
            heads: heads(&level.up_depths, level),
            resamples: index > 0,
        }
    };
    levels.iter().enumerate().rev().map(block).collect()
}

/// The middle block, with the innermost level's channels.
pub(super) fn middle(levels: &[Level], transformer_depth: Option<usize>) -> UnetMid {
    let (channels, heads) = levels.last().map_or((0, 1), |level| (level.channels, level.heads));
    UnetMid { channels, transformer_depth, heads }
}

/// Checks numbers that must divide each other, so that building a module cannot fail.
pub(super) fn check(config: &UnetConfig, path: &Path) -> Result<(), Error> {
    let bad = |key: &str, value: String, supported: String| {
        Err(Error::Config { path: path.to_owned(), key: key.to_owned(), value, supported })
    };
    let groups = config.norm_num_groups;
    let blocks = config.down.iter().chain(&config.up);
    for block in blocks {
        let mut widths = block.resnet_in_channels.iter().chain([&block.out_channels]);
        if let Some(width) = widths.find(|width| !width.is_multiple_of(groups)) {
            return bad("norm_num_groups", groups.to_string(), format!("a divisor of every width, also {width}"));
        }
        let (width, heads) = (block.out_channels, block.heads);
        if block.has_attention() && !width.is_multiple_of(heads) {
            return bad("attention_head_dim", heads.to_string(), format!("a divisor of its block's {width} channels"));
        }
    }
    let attending = config.mid.as_ref().filter(|mid| mid.transformer_depth.is_some());
    if let Some(UnetMid { channels, heads, .. }) = attending.filter(|mid| !mid.channels.is_multiple_of(mid.heads)) {
        let supported = format!("a divisor of the middle's {channels} channels");
        return bad("attention_head_dim", heads.to_string(), supported);
    }
    let first = config.down.first().map_or(0, |block| block.out_channels);
    if !first.is_multiple_of(2) {
        return bad("block_out_channels", first.to_string(), "an even first width (it is the sines' too)".into());
    }
    let (sines, added) = (config.addition_time_embed_dim, config.projection_class_embeddings_input_dim);
    if !sines.is_multiple_of(2) || added <= 6 * sines {
        let supported = "a pooled embedding and six times addition_time_embed_dim (an even number)".into();
        return bad("projection_class_embeddings_input_dim", format!("{added} with {sines}"), supported);
    }
    Ok(())
}
