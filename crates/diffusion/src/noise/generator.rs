//! PyTorch's CPU random number generator: equal seeds give equal noise, so equal pictures.

use super::{mt19937::Mt19937, source::NoisePosition};
use std::f64::consts::PI;

/// PyTorch's vectorised path makes 16 numbers at a time; requests for fewer take the scalar path.
const BLOCK: usize = 16;

/// A random stream equal to `torch.Generator("cpu").manual_seed(seed)`.
///
/// Each call continues where the last one ended, as in PyTorch. This includes the spare normal number that the scalar
/// path keeps for its next call.
#[derive(Clone)]
pub struct Generator {
    engine: Mt19937,
    /// The sine half of the scalar path's last Box-Muller pair. The vectorised path neither uses nor clears it.
    kept_normal: Option<f64>,
}

impl Generator {
    /// A generator at the start of its stream. Only the low 32 bits of the seed are used, as in PyTorch.
    pub fn seed(seed: u64) -> Self {
        Self { engine: Mt19937::new((seed & 0xffff_ffff) as u32), kept_normal: None }
    }

    /// The generator of `seed` after it has drawn as much as one at `position` had: the stream goes on from there. Takes
    /// about a nanosecond for each word that was drawn. `None` beyond [`NoisePosition::MOST_WORDS`].
    pub fn at(seed: u64, position: NoisePosition) -> Option<Self> {
        if position.words > NoisePosition::MOST_WORDS {
            return None;
        }
        let mut generator = Self::seed(seed);
        generator.engine.skip(position.words);
        generator.kept_normal = position.spare;
        Some(generator)
    }

    /// How much of the stream was drawn.
    pub fn position(&self) -> NoisePosition {
        NoisePosition { words: self.engine.drawn(), spare: self.kept_normal }
    }

    /// `torch.rand(n)`: `n` numbers in `0..1`, each with 24 random bits.
    pub fn rand(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.uniform_f32()).collect()
    }

    /// `torch.randn(n)`: `n` standard normal numbers, within 2e-6 of PyTorch's. The difference comes from PyTorch's
    /// vectorised approximations of logarithm, sine and cosine.
    ///
    /// A tensor of any shape is filled in memory order: `randn(4 * h * w)` equals `torch.randn(1, 4, h, w)`.
    pub fn randn(&mut self, n: usize) -> Vec<f32> {
        if n < BLOCK {
            return (0..n).map(|_| self.normal_f64() as f32).collect();
        }
        let mut numbers = self.rand(n);
        let (blocks, tail) = numbers.as_chunks_mut();
        blocks.iter_mut().for_each(normals_from_uniforms);
        if !tail.is_empty() {
            // PyTorch computes the last 16 numbers from new random bits, which overwrites part of the last full block.
            let mut fresh = [0.0; BLOCK];
            fresh.fill_with(|| self.uniform_f32());
            normals_from_uniforms(&mut fresh);
            numbers[n - BLOCK..].copy_from_slice(&fresh);
        }
        numbers
    }

    fn uniform_f32(&mut self) -> f32 {
        const BITS: u32 = 24;
        (self.engine.next_u32() & ((1 << BITS) - 1)) as f32 / (1_u32 << BITS) as f32
    }

    fn uniform_f64(&mut self) -> f64 {
        const BITS: u32 = 53;
        let high = u64::from(self.engine.next_u32());
        let low = u64::from(self.engine.next_u32());
        (((high << 32) | low) & ((1 << BITS) - 1)) as f64 / (1_u64 << BITS) as f64
    }

    /// The scalar path, for fewer than 16 numbers: Box-Muller in f64. Returns one number of the pair and keeps the
    /// other.
    fn normal_f64(&mut self) -> f64 {
        if let Some(kept) = self.kept_normal.take() {
            return kept;
        }
        let angle = 2.0 * PI * self.uniform_f64();
        let radius = (-2.0 * (-self.uniform_f64()).ln_1p()).sqrt();
        self.kept_normal = Some(radius * angle.sin());
        radius * angle.cos()
    }
}

/// Box-Muller on one block: number `j` (the radius) pairs with number `j + 8` (the angle). In f32 throughout, as in
/// PyTorch: rounding the angle alone changes a result by up to 1.4e-6.
fn normals_from_uniforms(block: &mut [f32; BLOCK]) {
    let (radii, angles) = block.split_at_mut(BLOCK / 2);
    for (a, b) in radii.iter_mut().zip(angles) {
        // 1 - u is in (0, 1], so the argument of the logarithm is never 0.
        let radius = (-2.0 * (1.0 - *a).ln()).sqrt();
        let (sin, cos) = (2.0 * std::f32::consts::PI * *b).sin_cos();
        *a = radius * cos;
        *b = radius * sin;
    }
}
