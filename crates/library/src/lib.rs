//! A library of model files: folders that are scanned in the background. Files are described from their headers, hashed,
//! and found by name. Nothing in the folders is changed.
//!
//! The crate depends on no web framework, no database and no async runtime: [`Keeper`] stores what is known about a file,
//! and [`ReadCheckpoint`] says whether a checkpoint can be loaded.

mod describe;
mod facts;
mod hash;
mod kind;
mod known;
mod names;
mod scan;
mod shelf;
mod walk;
mod watch;

pub use describe::ReadCheckpoint;
pub use facts::{CheckpointFacts, Facts};
pub use hash::Hashed;
pub use known::{Keeper, Known};
pub use shelf::{Entry, Preview, Shelf};
pub use watch::Library;
