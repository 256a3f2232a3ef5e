//! Runs generations, from the request to the final picture: the queue's workers, previews, cancellation, and recovery
//! after a crash.
//!
//! Guarantees:
//! - A picture's address never returns a partial picture, nor an older picture after a newer one.
//! - A change updates the rows first, then the files, then its event is published, by the store. [`Media`] may hold a file
//!   without a row for a moment, and [`recovery`] moves such files to [`lost_found`]. A published picture always has its file.
//! - The sampler waits only for the device. Previews are decoded, encoded and written on another thread.
//! - Requests and the page come before computing: a step uses every core, at a lower priority.
//! - Once a cancellation is published, the cancelled attempt writes no file and publishes no event.
//! - A panic or an error ends one task only.

mod announce;
mod beside_others;
mod cluster;
mod collector;
mod committed;
mod elsewhere;
mod engine;
mod injected;
pub mod media;
mod models;
mod moving;
mod needs;
mod offered;
mod pauses;
mod previews;
mod priority;
mod queue;
pub mod recovery;
mod retry;
mod slot;
mod slots;
mod statistics;
mod steer;
mod steering;
mod step_queue;
mod steps;
#[cfg(test)]
mod test_parameters;
pub mod traces;

pub use announce::{Announce, NoClients};
pub use cluster::{ClusterSummary, Identity, ReadInterrupted, SharedPictureError};
pub use collector::{CollectError, ORPHANS_KEPT_FOR, collect_orphans};
pub use engine::{Engine, EngineError, EngineOptions, StartError};
pub use injected::{InjectedFault, TemporaryFault, UnknownFault};
pub use media::{Formed, Media, OpenPicture, PictureBytes, new_key};
pub use models::{LoraFiles, ModelOptions, Models, NoPipeline, Offer, memory_bytes};
pub use moving::{Installation, MoveError, Moved, PicturePlace};
pub use previews::{PreviewTimes, first_preview};
pub use recovery::{LostFound, lost_found};
pub use retry::{why_unread, why_unwritten};
pub use slot::Progress;
pub use statistics::{Costs, Statistics, Summary};
pub use steps::total_steps;
pub use traces::{ReadTraceLimits, TraceLimits};
