//! Everything between "Generate" and the final picture: the queue's workers, the preview path, cancellation,
//! recovery after a crash.
//!
//! What holds:
//! - A picture's address never answers with a part of a picture, nor with an older one after a newer one.
//! - A task's rows change first, then its files, then its event goes out: [`Media`] may for a moment hold a
//!   file without a row, which [`recovery`] moves to [`lost_found`], never the other way round for a picture that was told of.
//! - The sampler waits for nothing but the device: previews are decoded, encoded and written beside it.
//! - What answers and what draws comes before what computes: a step uses every core, at a lower priority.
//! - An attempt that was cancelled writes nothing and tells nothing from the moment at which the cancellation
//!   is told.
//! - A panic or an error ends one task and no more.

mod alarm;
mod announce;
mod attempt;
mod engine;
mod fault;
mod first_preview;
mod generate;
mod kinship;
pub mod lost_found;
pub mod media;
mod memory;
mod models;
mod passing;
mod preview;
mod priority;
pub mod recovery;
mod slot;
mod statistics;
mod turn;
mod worker;

pub use announce::Announce;
pub use engine::{Engine, EngineError, EngineOptions};
pub use fault::{InjectedFault, PassingFault, UnknownFault};
pub use first_preview::first_preview;
pub use generate::{Costs, total_steps};
pub use lost_found::LostFound;
pub use media::{Media, OpenPicture, new_key};
pub use models::{ModelOptions, Models, NoPipeline, Offer};
pub use passing::why_unwritten;
pub use preview::PreviewTimes;
pub use slot::Progress;
pub use statistics::{Statistics, Summary};
