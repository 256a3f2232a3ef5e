//! The trace of a take: for each step the estimate as a small picture, and the sampler's state to continue from. One file
//! for a take, to which records are only appended.
//!
//! # Format
//! All numbers are little-endian.
//!
//! ```text
//! file    "EMBTRACE" version:u32 record*
//! record  kind:u8 step:u32 length:u32 crc32(payload):u32 crc32(the 13 bytes before):u32 payload
//! ```
//!
//! | kind | step | payload |
//! | --- | --- | --- |
//! | 0 | 0 | the [`Header`], as JSON; always the first record |
//! | 1 | 1, 2, ... | a PNG of the estimate of that step |
//! | 2 | 0, 1, ... | the [`State`] after that many steps |
//!
//! Steps rise within a kind; records of other kinds are skipped. A state is `words:u64 has_spare:u8 spare:f64 count:u8`,
//! then x as f32, then `count` times `sigma:f64` and as many f32 as x has. The states are in f32, because the sampler's
//! latents are: f16 would not continue a run bit for bit.
//!
//! A process that is killed while it writes leaves a file whose end is cut. [`Trace::read`] returns the records before the
//! cut. Damage inside a record is found by its checksum when the record is read.

mod error;
mod header;
mod reader;
mod record;
mod state;
mod writer;

pub use error::Error;
pub use header::{Header, Precision};
pub use reader::Trace;
pub use state::{PastValue, State};
pub use writer::Writer;
