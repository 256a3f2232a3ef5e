//! Finished pictures as objects in an S3 bucket.
//!
//! - [`Objects`] puts, gets, lists and deletes objects. An object is never changed after it was put: its name has the hash of
//!   its bytes, and [`Objects::get`] returns no other bytes.
//! - [`Cache`] keeps fetched objects as files, the least recently used ones out first.
//! - [`Pictures`] is both: it fetches each object once, however many requests for it there are at a time.
//! - [`Spool`] keeps finished pictures on the disk that cannot be stored yet.
//!
//! Traces and saved states of takes are objects of the same kind.
//!
//! The names of objects, such as `pictures/<key>/<attempt>-<etag>.png`, are relative to the prefix of the [`ObjectUrl`], so
//! that a bucket can be copied to another place.
//!
//! Credentials, region and endpoint are those of AWS's own environment variables (`AWS_ACCESS_KEY_ID`, `AWS_REGION`,
//! `AWS_ENDPOINT_URL` and so on), as the crate `object_store` understands them.

mod cache;
mod calls;
mod error;
mod etag;
mod files;
mod names;
mod objects;
mod pictures;
mod spool;
mod url;

pub use cache::{CACHE_BYTES, Cache};
pub use calls::Calls;
pub use error::ObjectError;
pub use etag::{etag_of, etag_of_reader};
pub use names::{EXPORTS, IDENTITY, PICTURES, TRACES, etag_in, export_object, picture_object, trace_object};
pub use objects::{Object, Objects};
pub use pictures::{Opened, Pictures};
pub use spool::{Spool, Spooled};
pub use url::ObjectUrl;
