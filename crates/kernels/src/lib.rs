#![doc = include_str!("../README.md")]
//!
//! The products follow Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008), and BLIS: a
//! tile of the result in registers, the operands' panels in the caches.

mod aligned;
mod attention;
mod conv;
mod linear;
mod math;
mod norm;
mod packed;
mod product;
mod weights;

pub use attention::attention;
pub use conv::{Conv2d, ConvShape};
pub use linear::Linear;
pub use math::{geglu, prelu, silu};
pub use norm::{group_norm, layer_norm};
pub use packed::Packed;
pub use weights::Weights;

/// Runs `work` on one of the compute threads.
///
/// If called on any other thread, each kernel distributes its parts, sleeps and is woken up: about 20 µs, a hundred
/// times per step. On a compute thread it computes its own share and does not wait for a wake-up.
pub fn on_a_computing_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}
