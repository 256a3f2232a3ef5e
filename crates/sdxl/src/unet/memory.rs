//! Memory of the UNet: the largest moment of [`Unet::forward`](super::Unet::forward), and the prompts' keys and values.

use super::block::LayerSpec;
use crate::nn::{ComputesOn, Live};
use checkpoint::{UnetBlock, UnetConfig, UnetMid};

/// The prompt and the negative prompt.
const PROMPTS: u128 = 2;

/// Number of values in the keys and values of both prompts, of `tokens` each, in all cross-attentions.
pub(crate) fn prompt_values(config: &UnetConfig, tokens: usize) -> u128 {
    let of_block = |block: &UnetBlock| -> u128 {
        LayerSpec::of(block).map(|layer| layer.depth.unwrap_or(0) as u128 * layer.c_out as u128).sum()
    };
    let of_mid = config.mid.as_ref().map_or(0, |mid| mid.transformer_depth.unwrap_or(0) as u128 * mid.channels as u128);
    let width = config.down.iter().chain(&config.up).map(of_block).sum::<u128>() + of_mid;
    PROMPTS * tokens as u128 * 2 * width
}

/// Walks through an evaluation, as [`Unet::forward`](super::Unet::forward). `sides`: height and width of the latent.
pub(crate) fn walk_forward(live: &mut Live, config: &UnetConfig, sides: [u128; 2], batch: u128) {
    let area = |[height, width]: [u128; 2]| batch * height * width;
    let width_of = |block: Option<&UnetBlock>| block.map_or(0, |block| block.out_channels as u128);
    let (first, last) = (width_of(config.down.first()), width_of(config.up.last()));
    let (c_in, c_out) = (config.in_channels as u128, config.out_channels as u128);
    let mut sides = sides;
    live.conv(0, [c_in * area(sides), first * area(sides)], 9 * c_in * first);
    let mut skips = Skips(vec![(first * area(sides), sides)]);
    for block in &config.down {
        let c = block.out_channels as u128;
        for spec in LayerSpec::of(block) {
            layer(live, live.value * skips.values(), true, spec, area(sides));
            skips.0.push((c * area(sides), sides));
        }
        if block.resamples {
            let halved = sides.map(|side| side.div_ceil(2));
            live.conv(live.value * skips.values(), [c * area(sides), c * area(halved)], 9 * c * c);
            sides = halved;
            skips.0.push((c * area(sides), sides));
        }
    }
    if let Some(block) = &config.mid {
        mid(live, block, live.value * skips.values(), area(sides));
    }
    for block in &config.up {
        let c = block.out_channels as u128;
        for spec in LayerSpec::of(block) {
            // The input is concatenated with a skip.
            let joined = spec.c_in as u128 * area(sides);
            let skip = skips.0.pop().map_or(0, |(values, _)| values);
            let held = live.value * skips.values();
            live.alive(held, joined.max(skip) + joined);
            layer(live, held, false, spec, area(sides));
        }
        if block.resamples {
            let grown = skips.0.last().map_or(sides.map(|side| 2 * side), |&(_, sides)| sides);
            let (held, [small, large]) = (live.value * skips.values(), [sides, grown].map(|s| c * area(s)));
            live.reordered(held, [small, large]);
            live.conv(held, [large, large], 9 * c * c);
            sides = grown;
        }
    }
    live.norm(0, last * area(sides));
    live.conv(0, [last * area(sides), c_out * area(sides)], 9 * last * c_out);
}

/// A ResNet and its transformer. `is_held`: the input is also a skip.
fn layer(live: &mut Live, held: u128, is_held: bool, spec: LayerSpec, pixels: u128) {
    live.resnet(held, is_held, [spec.c_in, spec.c_out], pixels);
    if let Some(depth) = spec.depth {
        transformer(live, held, spec.c_out, pixels, depth);
    }
}

fn mid(live: &mut Live, block: &UnetMid, held: u128, pixels: u128) {
    let c = block.channels;
    live.resnet(held, true, [c, c], pixels);
    if let Some(depth) = block.transformer_depth {
        transformer(live, held, c, pixels, depth);
        live.resnet(held, false, [c, c], pixels);
    }
}

fn transformer(live: &mut Live, held: u128, channels: usize, pixels: u128, depth: usize) {
    let n = channels as u128 * pixels;
    let with_x = held + live.value * n;
    live.norm(with_x, n);
    live.linear(with_x, [n, n]);
    if depth > 0 {
        // Two residuals: the transformer's and the block's.
        let with_both = with_x + live.value * n;
        live.layer_norm(with_both, n);
        // Queries, keys, values, and their input or the result.
        live.alive(with_both, 4 * n);
        live.linear(with_both, [n, 8 * n]);
        // GEGLU: values and gates in one tensor, and on a GPU each in its own as well.
        let apart = if live.on == ComputesOn::Gpu { 8 * n } else { 4 * n };
        live.alive(with_both, 8 * n + apart);
        live.linear(with_both, [4 * n, n]);
    }
    live.linear(with_x, [n, n]);
}

/// Skip connections that are held for the up blocks: number of values, height and width.
struct Skips(Vec<(u128, [u128; 2])>);

impl Skips {
    fn values(&self) -> u128 {
        self.0.iter().map(|(values, _)| values).sum()
    }
}
