//! Traces and saved states that an attempt stores as objects.

use crate::{
    media::{Media, TraceUnstored},
    slot::Slot,
};
use bytes::Bytes;
use std::{io, time::Duration};
use store::{Run, StoreError, TraceKind};
use trace::{Header, State, Writer};

/// How often an attempt that stores an object looks whether it is over.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Stores a trace or a saved state of an attempt as an object. None if the attempt is over. The slot is not held meanwhile: a
/// cancellation does not wait for the object store. Blocks.
///
/// # Errors
/// The object store or the database does not answer.
pub(crate) fn store_object(
    media: &Media,
    slot: &Slot,
    kind: TraceKind,
    step: u32,
    bytes: Bytes,
) -> Result<Option<()>, TraceUnstored> {
    let Some(runtime) = media.runtime() else { return Ok(None) };
    let run = Run { task: slot.task_id, attempt: slot.attempt };
    let stored = runtime.block_on(async {
        tokio::select! {
            stored = media.store_trace(run, &slot.key, kind, step, bytes) => stored.map(Some),
            () = until_stopped(slot) => Ok(None),
        }
    });
    match stored {
        // The run is over, or another server's.
        Err(TraceUnstored::Store(StoreError::Conflict { .. } | StoreError::NotFound { .. })) => Ok(None),
        stored => stored,
    }
}

async fn until_stopped(slot: &Slot) {
    while !slot.is_stopped() {
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
}

/// The bytes of a saved state after `step` steps.
///
/// # Errors
/// A header that is too long.
pub(crate) fn state_bytes(header: &Header, step: u32, state: &State) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    Writer::start(&mut bytes, header)?.state(step, state)?;
    Ok(bytes.into())
}
