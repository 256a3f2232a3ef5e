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
mod product;
mod weights;

pub use attention::attention;
pub use conv::{Conv2d, ConvShape};
pub use linear::Linear;
pub use math::{geglu, silu};
pub use norm::{group_norm, layer_norm};
pub use weights::Weights;

/// Runs `work` on one of the threads that compute.
///
/// Called from any other thread, each kernel hands its parts over, sleeps, and is woken again: some 20 µs, a hundred times
/// in a step. From within, the thread takes its own share of each kernel and waits for nobody else.
pub fn on_a_computing_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}
