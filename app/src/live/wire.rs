//! Deserializes a message in two passes: the envelope, then its data.
//!
//! `protocol::Message` derives `Deserialize` too, but serde reads its flattened fields and its tagged union through a buffer of
//! values: the front end grows by 11.7 kB with it (brotli, measured in 2026-11). A test checks that both give the same
//! result.

use protocol::{
    Event, Frame, FrameId, GenerationCancelled, GenerationCompleted, GenerationFailed, GenerationIds,
    GenerationInterrupted, GenerationPaused, GenerationProgress, GenerationResumed, GenerationStarted,
    GenerationSteered, Message, Project, ProjectId, ProjectUpdated, TakeId, TaskId, Track,
};
use serde::{Deserialize, de::DeserializeOwned};

#[derive(Deserialize)]
struct Head {
    r#type: String,
    #[serde(default)]
    seq: Option<u64>,
}

#[derive(Deserialize)]
struct Body<T> {
    data: T,
}

#[derive(Deserialize)]
struct Deleted {
    deleted: bool,
}

/// The fields of all events of a generation; each event has some of them.
#[derive(Deserialize)]
struct Generation {
    task_id: TaskId,
    frame_id: FrameId,
    project_id: ProjectId,
    take_id: TakeId,
    attempt: u32,
    #[serde(default)]
    step: u32,
    #[serde(default)]
    total_steps: u32,
    #[serde(default)]
    eta_ms: Option<u64>,
    #[serde(default)]
    waiting_for: Option<String>,
    #[serde(default)]
    preview_path: String,
    #[serde(default)]
    final_path: String,
    #[serde(default)]
    generator: String,
    #[serde(default)]
    etag: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    track: Track,
    #[serde(default)]
    frame_removed: bool,
    #[serde(default)]
    frame: Option<Frame>,
}

/// The message; none if the text is invalid or its type unknown.
pub fn message(text: &str) -> Option<Message> {
    let head: Head = serde_json::from_str(text).ok()?;
    let event = match head.r#type.as_str() {
        "hello" => Event::Hello(data(text)?),
        "metrics" => Event::Metrics(data(text)?),
        "resync" => Event::Resync(data(text)?),
        "queue_updated" => Event::QueueUpdated(data(text)?),
        "library_updated" => Event::LibraryUpdated(data(text)?),
        "workers_updated" => Event::WorkersUpdated(data(text)?),
        "styles_updated" => Event::StylesUpdated(data(text)?),
        "project_updated" => {
            let Deleted { deleted } = data(text)?;
            Event::ProjectUpdated(ProjectUpdated { project: data::<Project>(text)?, deleted })
        }
        "frame_created" => Event::FrameCreated(data::<Frame>(text)?.into()),
        "frame_updated" => Event::FrameUpdated(data::<Frame>(text)?.into()),
        "frame_deleted" => Event::FrameDeleted(data::<Frame>(text)?.into()),
        kind => generation(kind, data(text)?)?,
    };
    Some(Message { seq: head.seq, event })
}

/// The type of a message; none if the text is invalid.
pub fn kind(text: &str) -> Option<String> {
    serde_json::from_str::<Head>(text).ok().map(|head| head.r#type)
}

/// The data of a message; none if the text is invalid or the data is not a `T`.
pub fn data<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str::<Body<T>>(text).ok().map(|body| body.data)
}

/// Generates the conversion from [`Generation`] into events: for each type its event and the event's fields. A missing
/// field does not compile.
macro_rules! generation_events {
    ($($kind:literal => $event:ident { $($field:ident),* })*) => {
        fn generation(kind: &str, read: Generation) -> Option<Event> {
            let Generation { task_id, frame_id, project_id, take_id, attempt, .. } = read;
            let of = GenerationIds { task_id, frame_id, project_id, take_id, attempt };
            match kind {
                $($kind => Some(Event::$event($event { of, $($field: read.$field),* })),)*
                _ => None,
            }
        }
    };
}

generation_events! {
    "generation_started" => GenerationStarted { preview_path, step, total_steps, generator }
    "generation_progress" => GenerationProgress { step, total_steps, preview_path, eta_ms, waiting_for }
    "generation_completed" => GenerationCompleted { final_path, step, total_steps, generator, etag, frame }
    "generation_failed" => GenerationFailed { error, frame_removed, frame }
    "generation_cancelled" => GenerationCancelled { frame_removed, frame }
    "generation_interrupted" => GenerationInterrupted { reason, step, frame }
    "generation_paused" => GenerationPaused { step, total_steps, preview_path, frame }
    "generation_steered" => GenerationSteered { step, total_steps, track }
    "generation_resumed" => GenerationResumed { step, total_steps, preview_path, frame }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::state::examples;

    #[test]
    fn every_event_reads_as_the_derived_deserializer_does() {
        for event in examples::every_event() {
            for seq in [None, Some(7)] {
                let message_ = Message { seq, event: event.clone() };
                let text = serde_json::to_string(&message_).expect("serializes");
                assert_eq!(message(&text), Some(message_), "{text}");
            }
        }
    }

    #[test]
    fn unknown_and_invalid_messages_are_ignored() {
        for text in
            ["", "{", "7", r#"{"type":"later","data":{}}"#, r#"{"type":"hello"}"#, r#"{"type":"hello","data":7}"#]
        {
            assert_eq!(message(text), None, "{text}");
        }
    }
}
