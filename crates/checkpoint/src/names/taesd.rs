//! TAESD's decoder. diffusers numbers the layers of one sequence. The original has a clamp layer first, so its numbers
//! are higher by one.

use super::{Expected, Names, Path};
use crate::config::TaesdConfig;

/// Every parameter of an AutoencoderTiny's decoder with this configuration.
pub(crate) fn taesd(config: &TaesdConfig) -> Vec<Expected> {
    let mut names = Names::default();
    let width = config.channels;
    let layer = |number: usize| Path::new(format!("decoder.layers.{number}"), (number + 1).to_string());
    names.conv(&layer(0), width, config.latent_channels, 3);
    // Layer 1 is the activation.
    let mut number = 2;
    for (stage, &blocks) in config.num_blocks.iter().enumerate() {
        for _ in 0..blocks {
            for step in ["conv.0", "conv.2", "conv.4"] {
                names.conv(&layer(number).same(step), width, width, 3);
            }
            number += 1;
        }
        if stage + 1 < config.num_blocks.len() {
            // The upsampler counts as a layer; the convolution after it has no bias.
            names.push(&layer(number + 1).same("weight"), &[width, width, 3, 3]);
            number += 2;
        }
    }
    names.conv(&layer(number), config.out_channels, width, 3);
    names.0
}
