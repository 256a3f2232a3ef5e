//! The UNet's parameters. LDM numbers its blocks consecutively; diffusers nests them by level.

use super::{Expected, Names, Path};
use crate::config::{UnetBlock, UnetConfig};

/// Every parameter of a UNet2DConditionModel with this configuration.
pub(crate) fn unet(config: &UnetConfig) -> Vec<Expected> {
    let mut names = Names::default();
    let root = Path::root();
    let first = config.down.first().map_or(0, |block| block.out_channels);
    let time = config.time_embed_dim;
    names.conv(&root.sub("conv_in", "input_blocks.0.0"), first, config.in_channels, 3);
    names.linear(&root.sub("time_embedding.linear_1", "time_embed.0"), time, first);
    names.linear(&root.sub("time_embedding.linear_2", "time_embed.2"), time, time);
    let added = config.projection_class_embeddings_input_dim;
    names.linear(&root.sub("add_embedding.linear_1", "label_emb.0.0"), time, added);
    names.linear(&root.sub("add_embedding.linear_2", "label_emb.0.2"), time, time);
    down(&mut names, config);
    middle(&mut names, config);
    up(&mut names, config);
    names.norm(&root.sub("conv_norm_out", "out.0"), first);
    names.conv(&root.sub("conv_out", "out.2"), config.out_channels, first, 3);
    names.0
}

fn down(names: &mut Names, config: &UnetConfig) {
    let mut number = 1;
    for (level, block) in config.down.iter().enumerate() {
        let diffusers = format!("down_blocks.{level}");
        for layer in 0..block.resnet_in_channels.len() {
            let ldm = format!("input_blocks.{number}");
            layer_of(names, config, block, layer, &Path::new(&diffusers, ldm));
            number += 1;
        }
        if block.resamples {
            let at = Path::new(format!("{diffusers}.downsamplers.0.conv"), format!("input_blocks.{number}.0.op"));
            names.conv(&at, block.out_channels, block.out_channels, 3);
            number += 1;
        }
    }
}

fn up(names: &mut Names, config: &UnetConfig) {
    let mut number = 0;
    for (level, block) in config.up.iter().enumerate() {
        let diffusers = format!("up_blocks.{level}");
        for layer in 0..block.resnet_in_channels.len() {
            let ldm = format!("output_blocks.{number}");
            layer_of(names, config, block, layer, &Path::new(&diffusers, ldm));
            number += 1;
        }
        if block.resamples {
            // LDM puts the upsampler into the level's last block, after the transformer if there is one.
            let slot = if block.has_attention() { 2 } else { 1 };
            let ldm = format!("output_blocks.{}.{slot}.conv", number - 1);
            let at = Path::new(format!("{diffusers}.upsamplers.0.conv"), ldm);
            names.conv(&at, block.out_channels, block.out_channels, 3);
        }
    }
}

/// One ResNet and the transformer after it.
fn layer_of(names: &mut Names, config: &UnetConfig, block: &UnetBlock, layer: usize, at: &Path) {
    let input = block.resnet_in_channels[layer];
    resnet(names, &at.sub(&format!("resnets.{layer}"), "0"), input, block.out_channels, config.time_embed_dim);
    if let Some(&depth) = block.transformer_depths.get(layer) {
        let at = at.sub(&format!("attentions.{layer}"), "1");
        transformer(names, &at, block.out_channels, config.cross_attention_dim, depth);
    }
}

fn middle(names: &mut Names, config: &UnetConfig) {
    let at = Path::new("mid_block", "middle_block");
    let Some(mid) = &config.mid else { return };
    resnet(names, &at.sub("resnets.0", "0"), mid.channels, mid.channels, config.time_embed_dim);
    if let Some(depth) = mid.transformer_depth {
        transformer(names, &at.sub("attentions.0", "1"), mid.channels, config.cross_attention_dim, depth);
        resnet(names, &at.sub("resnets.1", "2"), mid.channels, mid.channels, config.time_embed_dim);
    }
}

fn resnet(names: &mut Names, at: &Path, input: usize, out: usize, time: usize) {
    names.norm(&at.sub("norm1", "in_layers.0"), input);
    names.conv(&at.sub("conv1", "in_layers.2"), out, input, 3);
    names.linear(&at.sub("time_emb_proj", "emb_layers.1"), out, time);
    names.norm(&at.sub("norm2", "out_layers.0"), out);
    names.conv(&at.sub("conv2", "out_layers.3"), out, out, 3);
    if input != out {
        names.conv(&at.sub("conv_shortcut", "skip_connection"), out, input, 1);
    }
}

fn transformer(names: &mut Names, at: &Path, width: usize, context: usize, depth: usize) {
    names.norm(&at.same("norm"), width);
    names.linear_or_conv(&at.same("proj_in"), width, width);
    for index in 0..depth {
        let block = at.same(&format!("transformer_blocks.{index}"));
        for (attention, keys) in [("attn1", width), ("attn2", context)] {
            let attention = block.same(attention);
            names.matrix(&attention.same("to_q"), width, width);
            names.matrix(&attention.same("to_k"), width, keys);
            names.matrix(&attention.same("to_v"), width, keys);
            names.linear(&attention.same("to_out.0"), width, width);
        }
        // GEGLU: one matrix computes values and gates, so it is eight times the width.
        names.linear(&block.same("ff.net.0.proj"), 8 * width, width);
        names.linear(&block.same("ff.net.2"), width, 4 * width);
        for norm in ["norm1", "norm2", "norm3"] {
            names.norm(&block.same(norm), width);
        }
    }
    names.linear_or_conv(&at.same("proj_out"), width, width);
}
