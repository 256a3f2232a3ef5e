//! A walk through the UNet and the VAE's decoder in the order in which the crate `sdxl` runs them. It adds up which
//! tensors live at each moment, and keeps the largest sum.

use super::{ComputesOn, MemorySettings};
use crate::{UnetBlock, UnetConfig, VaeConfig};

/// Pixels of a picture for each pixel of the latent, along one side.
const FACTOR: u128 = 8;
/// The prompt and what guidance leads away from.
const PROMPTS: u128 = 2;
/// Bytes of an f32 number: the VAE's, and every norm's while it works.
const WIDE: u128 = 4;
/// The least side of the VAE's tiles, pixels of the latent.
const LEAST_TILE: u128 = 16;

/// What both prompts' keys and values take, of `tokens` each, in all attentions that look at the text; bytes.
pub(super) fn prompt_bytes(config: &UnetConfig, tokens: usize, settings: &MemorySettings) -> u128 {
    let blocks = config.down.iter().chain(&config.up);
    let of_block =
        |block: &UnetBlock| block.transformer_depths.iter().sum::<usize>() as u128 * block.out_channels as u128;
    let of_middle = config.mid.transformer_depth.unwrap_or(0) as u128 * config.mid.channels as u128;
    let width = blocks.map(of_block).sum::<u128>() + of_middle;
    PROMPTS * tokens as u128 * 2 * width * u128::from(settings.dtype.bytes())
}

/// What the largest moment of a UNet's pass takes, bytes.
pub(super) fn denoise_bytes(config: &UnetConfig, settings: &MemorySettings) -> u128 {
    let mut walk = Walk::new(settings, settings.dtype.bytes().into());
    walk.unet(config, latent_sides(settings), settings.batch.into());
    walk.largest
}

/// What the largest moment of the VAE's decoding takes, bytes.
pub(super) fn decode_bytes(config: &VaeConfig, settings: &MemorySettings) -> u128 {
    let mut walk = Walk::new(settings, WIDE);
    walk.decoder(config, latent_sides(settings), settings.largest_activation.into());
    walk.largest
}

fn latent_sides(settings: &MemorySettings) -> [u128; 2] {
    [settings.height, settings.width].map(|side| u128::from(side) / FACTOR)
}

/// `held` is bytes, of what lives beside an operation; sizes of tensors are numbers.
struct Walk {
    on: ComputesOn,
    /// Bytes a number.
    number: u128,
    /// Bytes a number at a group norm's largest moment.
    in_norm: u128,
    /// Bytes at the largest moment so far.
    largest: u128,
}

impl Walk {
    fn new(settings: &MemorySettings, number: u128) -> Self {
        // In f32 the numbers without their mean, and their squares.
        let in_norm = match settings.on {
            ComputesOn::Gpu => 2 * WIDE,
            ComputesOn::Processor => WIDE,
        };
        Self { on: settings.on, number, in_norm, largest: 0 }
    }

    fn alive(&mut self, held: u128, numbers: u128) {
        self.largest = self.largest.max(held + self.number * numbers);
    }

    /// What reads its input in another order than it lies in: the input and its copy, then the copy and the result.
    fn reordered(&mut self, held: u128, [n_in, n_out]: [u128; 2]) {
        self.alive(held, n_in + n_in.max(n_out));
    }

    /// A group norm. Its input is among `held` where somebody needs it afterwards.
    fn norm(&mut self, held: u128, n: u128) {
        self.largest = self.largest.max(held + self.in_norm * n);
    }

    /// A layer norm; in place nowhere.
    fn layer_norm(&mut self, held: u128, n: u128) {
        self.largest = self.largest.max(held + 2 * WIDE * n);
    }

    /// A convolution of `weights` numbers, which a GPU reads in another order too.
    fn conv(&mut self, held: u128, [n_in, n_out]: [u128; 2], weights: u128) {
        match self.on {
            ComputesOn::Gpu => self.reordered(held, [n_in, n_out + weights]),
            // The caller owns the input to the end.
            ComputesOn::Processor => self.alive(held, n_in + n_in + n_out),
        }
    }

    /// A linear layer. On a GPU the bias is added to the product, beside it.
    fn linear(&mut self, held: u128, [n_in, n_out]: [u128; 2]) {
        self.reordered(held, [n_in, n_out]);
        if self.on == ComputesOn::Gpu {
            self.alive(held, 2 * n_out);
        }
    }

    /// A ResNet, whose input either `waits` among what is held or goes into the norm as soon as the shortcut is made of it.
    fn resnet(&mut self, held: u128, waits: bool, [c_in, c_out]: [usize; 2], pixels: u128) {
        let [c_in, c_out] = [c_in as u128, c_out as u128];
        let [x, y] = [c_in, c_out].map(|channels| channels * pixels);
        let with_x = if waits { held } else { held + self.number * x };
        let beside = match c_in == c_out {
            true => with_x,
            false => {
                // The input's copy, and the shortcut.
                self.alive(with_x, x + y);
                held + self.number * y
            }
        };
        self.norm(beside, x);
        self.conv(beside, [x, y], 9 * c_in * c_out);
        self.norm(beside, y);
        self.conv(beside, [y, y], 9 * c_out * c_out);
        self.alive(beside, 2 * y);
    }

    fn transformer(&mut self, held: u128, channels: usize, pixels: u128, depth: usize) {
        let n = channels as u128 * pixels;
        let with_x = held + self.number * n;
        self.norm(with_x, n);
        self.linear(with_x, [n, n]);
        if depth > 0 {
            // Residuals: the transformer's and the block's.
            let with_both = with_x + self.number * n;
            self.layer_norm(with_both, n);
            // Queries, keys, values, and what they are made from or what comes of them.
            self.alive(with_both, 4 * n);
            self.linear(with_both, [n, 8 * n]);
            // GEGLU: values and gates in one tensor, and on a GPU each in its own.
            let apart = if self.on == ComputesOn::Gpu { 8 * n } else { 4 * n };
            self.alive(with_both, 8 * n + apart);
            self.linear(with_both, [4 * n, n]);
        }
        self.linear(with_x, [n, n]);
    }

    /// A ResNet and the transformer behind it.
    fn layer(&mut self, held: u128, waits: bool, block: &UnetBlock, index: usize, pixels: u128) {
        let c_in = block.resnet_in_channels.get(index).copied().unwrap_or(0);
        self.resnet(held, waits, [c_in, block.out_channels], pixels);
        if let Some(&depth) = block.transformer_depths.get(index) {
            self.transformer(held, block.out_channels, pixels, depth);
        }
    }

    fn unet(&mut self, config: &UnetConfig, sides: [u128; 2], batch: u128) {
        let area = |[height, width]: [u128; 2]| batch * height * width;
        let width_of = |block: Option<&UnetBlock>| block.map_or(0, |block| block.out_channels as u128);
        let (first, last) = (width_of(config.down.first()), width_of(config.up.last()));
        let (c_in, c_out) = (config.in_channels as u128, config.out_channels as u128);
        let mut sides = sides;
        self.conv(0, [c_in * area(sides), first * area(sides)], 9 * c_in * first);
        let mut skips = Skips(vec![(first * area(sides), sides)]);
        for block in &config.down {
            let c = block.out_channels as u128;
            for index in 0..block.resnet_in_channels.len() {
                self.layer(self.number * skips.numbers(), true, block, index, area(sides));
                skips.0.push((c * area(sides), sides));
            }
            if block.resamples {
                let halved = sides.map(|side| side.div_ceil(2));
                self.conv(self.number * skips.numbers(), [c * area(sides), c * area(halved)], 9 * c * c);
                sides = halved;
                skips.0.push((c * area(sides), sides));
            }
        }
        self.middle(config, self.number * skips.numbers(), area(sides));
        for block in &config.up {
            let c = block.out_channels as u128;
            for (index, &c_in) in block.resnet_in_channels.iter().enumerate() {
                // The skip is joined to what comes from below.
                let joined = c_in as u128 * area(sides);
                let skip = skips.0.pop().map_or(0, |(numbers, _)| numbers);
                let held = self.number * skips.numbers();
                self.alive(held, joined.max(skip) + joined);
                self.layer(held, false, block, index, area(sides));
            }
            if block.resamples {
                let grown = skips.0.last().map_or(sides.map(|side| 2 * side), |&(_, sides)| sides);
                let (held, [small, large]) = (self.number * skips.numbers(), [sides, grown].map(|s| c * area(s)));
                self.reordered(held, [small, large]);
                self.conv(held, [large, large], 9 * c * c);
                sides = grown;
            }
        }
        self.norm(0, last * area(sides));
        self.conv(0, [last * area(sides), c_out * area(sides)], 9 * last * c_out);
    }

    fn middle(&mut self, config: &UnetConfig, held: u128, pixels: u128) {
        let c = config.mid.channels;
        self.resnet(held, true, [c, c], pixels);
        if let Some(depth) = config.mid.transformer_depth {
            self.transformer(held, c, pixels, depth);
            self.resnet(held, false, [c, c], pixels);
        }
    }

    fn decoder(&mut self, config: &VaeConfig, [height, width]: [u128; 2], bound: u128) {
        let widths = &config.block_out_channels;
        let [inner, second, outer] = [widths.last(), widths.get(1), widths.first()].map(|c| c.copied().unwrap_or(1));
        let (pixels, latent) = (height * width, config.latent_channels as u128);
        let whole = inner as u128 * pixels;
        self.conv(0, [latent * pixels, whole], 9 * latent * inner as u128);
        self.resnet(0, false, [inner, inner], pixels);
        if config.mid_attention {
            self.attention_in_slices(whole, pixels, bound);
        }
        self.resnet(0, false, [inner, inner], pixels);
        // The widest activation at the picture's size, which is the last level's input, decides on tiles.
        let side = (bound / (WIDE * second as u128 * FACTOR * FACTOR)).isqrt().max(LEAST_TILE);
        if pixels <= side * side {
            return self.enlarge(0, config, [inner, outer], pixels);
        }
        // Norms over given statistics work in place nowhere.
        self.in_norm = 2 * WIDE;
        self.enlarge(self.number * whole, config, [inner, outer], height.min(side) * width.min(side));
    }

    /// Attention of one head, as wide as the pixels are: a slice of its scores and their exponentials live at once,
    /// each a quarter of the bound. The processor never has more of them than a few rows.
    fn attention_in_slices(&mut self, n: u128, pixels: u128, bound: u128) {
        let with_x = self.number * n;
        self.norm(with_x, n);
        let rows = (bound / WIDE / 4 / pixels.max(1)).clamp(1, pixels.max(1));
        let scores = if self.on == ComputesOn::Gpu { 2 * rows * pixels } else { 0 };
        // Queries, keys, values, and what they are made from or what comes of them.
        self.alive(with_x, 4 * n + scores);
        self.linear(with_x, [n, n]);
    }

    /// From the latent's size to the picture's.
    fn enlarge(&mut self, held: u128, config: &VaeConfig, [inner, outer]: [usize; 2], pixels: u128) {
        let (mut c_in, mut pixels) = (inner, pixels);
        for (level, &c) in config.block_out_channels.iter().enumerate().rev() {
            for _ in 0..=config.layers_per_block {
                self.resnet(held, false, [c_in, c], pixels);
                c_in = c;
            }
            if level > 0 {
                let c = c as u128;
                let [small, large] = [c * pixels, 4 * c * pixels];
                self.reordered(held, [small, large]);
                self.conv(held, [large, large], 9 * c * c);
                pixels *= 4;
            }
        }
        let [outer, colours] = [outer, config.out_channels].map(|channels| channels as u128);
        self.norm(held, outer * pixels);
        self.conv(held, [outer * pixels, colours * pixels], 9 * outer * colours);
    }
}

/// What waits for the way up: numbers, and the sides they lie on.
struct Skips(Vec<(u128, [u128; 2])>);

impl Skips {
    fn numbers(&self) -> u128 {
        self.0.iter().map(|(numbers, _)| numbers).sum()
    }
}
