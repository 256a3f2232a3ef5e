//! PyTorch's CPU generator: the same seed gives the same picture as there.

use super::mt19937::Mt19937;
use std::f64::consts::PI;

/// Numbers that PyTorch's vectorised path makes at once; shorter requests take another path.
const BLOCK: usize = 16;

/// A random stream equal to `torch.Generator("cpu").manual_seed(seed)`.
///
/// Successive calls draw on from where the last one ended, as PyTorch's do, the normal number that the
/// short path keeps back included.
#[derive(Clone)]
pub struct Generator {
    engine: Mt19937,
    /// The sine half of the last Box-Muller pair of the short path. The vectorised path neither uses nor
    /// clears it.
    kept_normal: Option<f64>,
}

impl Generator {
    /// A generator at the start of its stream. Only the low 32 bits of the seed count, as in PyTorch.
    pub fn seed(seed: u64) -> Self {
        Self { engine: Mt19937::new((seed & 0xffff_ffff) as u32), kept_normal: None }
    }

    /// `torch.rand(n)`: `n` numbers in 0..1 with 24 random bits each.
    pub fn rand(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.uniform_f32()).collect()
    }

    /// `torch.randn(n)`: `n` standard normal numbers, within 2e-6 of PyTorch's (its logarithm, sine and
    /// cosine are vectorised approximations, ours are the library's).
    ///
    /// A tensor of any shape is filled in memory order: `randn(4 * h * w)` is `torch.randn(1, 4, h, w)`.
    pub fn randn(&mut self, n: usize) -> Vec<f32> {
        if n < BLOCK {
            return (0..n).map(|_| self.normal_f64() as f32).collect();
        }
        let mut numbers = self.rand(n);
        let (blocks, tail) = numbers.as_chunks_mut();
        blocks.iter_mut().for_each(normals_from_uniforms);
        if !tail.is_empty() {
            // PyTorch draws the last 16 again from fresh numbers and so overwrites a part of the last block.
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

    /// The path for fewer than 16 numbers: Box-Muller in f64, one number out, its twin kept.
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

/// Box-Muller over one block: number `j` (the radius) pairs with number `j + 8` (the angle). In f32
/// throughout: the rounding of the angle alone moves a result by up to 1.4e-6.
fn normals_from_uniforms(block: &mut [f32; BLOCK]) {
    let (radii, angles) = block.split_at_mut(BLOCK / 2);
    for (a, b) in radii.iter_mut().zip(angles) {
        // 1 - u is in (0, 1]: the logarithm never sees 0.
        let radius = (-2.0 * (1.0 - *a).ln()).sqrt();
        let (sin, cos) = (2.0 * std::f32::consts::PI * *b).sin_cos();
        *a = radius * cos;
        *b = radius * sin;
    }
}
