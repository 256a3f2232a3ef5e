//! The VAE's parameters. LDM numbers the decoder's levels from the outermost, diffusers from the innermost.

use super::{Expected, Names, Path};
use crate::config::VaeConfig;

/// Every parameter of an AutoencoderKL with this configuration.
pub(crate) fn vae(config: &VaeConfig) -> Vec<Expected> {
    let mut names = Names::default();
    let root = Path::root();
    let latent = config.latent_channels;
    encoder(&mut names, config, &root.same("encoder"));
    decoder(&mut names, config, &root.same("decoder"));
    if config.use_quant_conv {
        names.conv(&root.same("quant_conv"), 2 * latent, 2 * latent, 1);
    }
    if config.use_post_quant_conv {
        names.conv(&root.same("post_quant_conv"), latent, latent, 1);
    }
    names.0
}

fn encoder(names: &mut Names, config: &VaeConfig, at: &Path) {
    let widths = &config.block_out_channels;
    let (first, last) = ends(widths);
    names.conv(&at.same("conv_in"), first, config.in_channels, 3);
    let mut input = first;
    for (level, &out) in widths.iter().enumerate() {
        let block = at.sub(&format!("down_blocks.{level}"), &format!("down.{level}"));
        for layer in 0..config.layers_per_block {
            resnet(names, &block.sub(&format!("resnets.{layer}"), &format!("block.{layer}")), input, out);
            input = out;
        }
        if level + 1 < widths.len() {
            names.conv(&block.sub("downsamplers.0.conv", "downsample.conv"), out, out, 3);
        }
    }
    middle(names, config, at, last);
    names.norm(&at.sub("conv_norm_out", "norm_out"), last);
    names.conv(&at.same("conv_out"), 2 * config.latent_channels, last, 3);
}

fn decoder(names: &mut Names, config: &VaeConfig, at: &Path) {
    let widths = &config.block_out_channels;
    let (first, last) = ends(widths);
    names.conv(&at.same("conv_in"), last, config.latent_channels, 3);
    middle(names, config, at, last);
    let mut input = last;
    for (level, &out) in widths.iter().rev().enumerate() {
        let reversed = widths.len() - 1 - level;
        let block = at.sub(&format!("up_blocks.{level}"), &format!("up.{reversed}"));
        for layer in 0..=config.layers_per_block {
            resnet(names, &block.sub(&format!("resnets.{layer}"), &format!("block.{layer}")), input, out);
            input = out;
        }
        if reversed > 0 {
            names.conv(&block.sub("upsamplers.0.conv", "upsample.conv"), out, out, 3);
        }
    }
    names.norm(&at.sub("conv_norm_out", "norm_out"), first);
    names.conv(&at.same("conv_out"), config.out_channels, first, 3);
}

fn ends(widths: &[usize]) -> (usize, usize) {
    (widths.first().copied().unwrap_or(0), widths.last().copied().unwrap_or(0))
}

fn middle(names: &mut Names, config: &VaeConfig, at: &Path, width: usize) {
    resnet(names, &at.sub("mid_block.resnets.0", "mid.block_1"), width, width);
    if config.mid_attention {
        let attention = at.sub("mid_block.attentions.0", "mid.attn_1");
        names.norm(&attention.sub("group_norm", "norm"), width);
        for (target, ldm) in [("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")] {
            names.linear_or_conv(&attention.sub(target, ldm), width, width);
        }
    }
    resnet(names, &at.sub("mid_block.resnets.1", "mid.block_2"), width, width);
}

fn resnet(names: &mut Names, at: &Path, input: usize, out: usize) {
    names.norm(&at.same("norm1"), input);
    names.conv(&at.same("conv1"), out, input, 3);
    names.norm(&at.same("norm2"), out);
    names.conv(&at.same("conv2"), out, out, 3);
    if input != out {
        names.conv(&at.sub("conv_shortcut", "nin_shortcut"), out, input, 1);
    }
}
