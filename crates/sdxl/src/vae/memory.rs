//! Memory of the VAE: the largest moment of [`Vae::decode`](super::Vae::decode).

use super::{decoder_tiling, max_scores};
use crate::nn::{ComputesOn, Live};
use checkpoint::VaeConfig;

/// Walks through a decoding, as [`Vae::decode`](super::Vae::decode). Takes the latent's height and width.
pub(crate) fn walk_decode(live: &mut Live, config: &VaeConfig, [height, width]: [u128; 2], max_activation: u64) {
    let widths = &config.block_out_channels;
    let inner = widths.last().copied().unwrap_or(1);
    let (pixels, latent) = (height * width, config.latent_channels as u128);
    let whole = inner as u128 * pixels;
    live.conv(0, [latent * pixels, whole], 9 * latent * inner as u128);
    live.resnet(0, false, [inner, inner], pixels);
    if config.mid_attention {
        attention(live, whole, pixels, max_activation);
    }
    live.resnet(0, false, [inner, inner], pixels);
    let side = decoder_tiling(config, max_activation).side() as u128;
    if pixels <= side * side {
        return enlarge(live, 0, config, inner, pixels);
    }
    live.use_given_statistics();
    enlarge(live, live.value * whole, config, inner, height.min(side) * width.min(side));
}

/// One-head attention over `n` values. On a GPU a slice of the scores and their exponentials live at once; the CPU holds a
/// few rows at a time.
fn attention(live: &mut Live, n: u128, pixels: u128, max_activation: u64) {
    let with_x = live.value * n;
    live.norm(with_x, n);
    let rows = (max_scores(max_activation) as u128 / pixels.max(1)).clamp(1, pixels.max(1));
    let scores = if live.on == ComputesOn::Gpu { 2 * rows * pixels } else { 0 };
    // Queries, keys, values, and their input or the result.
    live.alive(with_x, 4 * n + scores);
    live.linear(with_x, [n, n]);
}

/// From the latent's size to the picture's.
fn enlarge(live: &mut Live, held: u128, config: &VaeConfig, inner: usize, pixels: u128) {
    let (mut c_in, mut pixels) = (inner, pixels);
    for (level, &c) in config.block_out_channels.iter().enumerate().rev() {
        for _ in 0..=config.layers_per_block {
            live.resnet(held, false, [c_in, c], pixels);
            c_in = c;
        }
        if level > 0 {
            let c = c as u128;
            let [small, large] = [c * pixels, 4 * c * pixels];
            live.reordered(held, [small, large]);
            live.conv(held, [large, large], 9 * c * c);
            pixels *= 4;
        }
    }
    let outer = config.block_out_channels.first().copied().unwrap_or(1) as u128;
    let colours = config.out_channels as u128;
    live.norm(held, outer * pixels);
    live.conv(held, [outer * pixels, colours * pixels], 9 * outer * colours);
}
