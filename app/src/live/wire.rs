//! A message from its text, in two readings: the envelope, then what it carries.
//!
//! `protocol::Message` reads itself as well, but its flattened fields and tagged union are read through a
//! buffer of values whose code is a sixth of the page's WASM (78 kB of 1.3 MB). A test holds both to the same answer.

use protocol::{
    Event, Frame, FrameId, GenerationCancelled, GenerationCompleted, GenerationFailed, GenerationIds,
    GenerationProgress, GenerationStarted, Message, Project, ProjectId, ProjectUpdated, TakeId, TaskId,
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

/// Any of the five events of a generation: each has some of these.
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
    frame_removed: bool,
    #[serde(default)]
    frame: Option<Frame>,
}

/// The message; none where the text is none, or of a kind that this page does not know.
pub fn message(text: &str) -> Option<Message> {
    let head: Head = serde_json::from_str(text).ok()?;
    let event = match head.r#type.as_str() {
        "hello" => Event::Hello(data(text)?),
        "metrics" => Event::Metrics(data(text)?),
        "resync" => Event::Resync(data(text)?),
        "queue_updated" => Event::QueueUpdated(data(text)?),
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

/// What kind of message a text is.
pub fn kind(text: &str) -> Option<String> {
    serde_json::from_str::<Head>(text).ok().map(|head| head.r#type)
}

/// What the message carries.
pub fn data<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str::<Body<T>>(text).ok().map(|body| body.data)
}

fn generation(kind: &str, heard: Generation) -> Option<Event> {
    let Generation { task_id, frame_id, project_id, take_id, attempt, step, total_steps, eta_ms, .. } = heard;
    let of = GenerationIds { task_id, frame_id, project_id, take_id, attempt };
    let Generation { waiting_for, preview_path, final_path, generator, etag, error, frame_removed, frame, .. } = heard;
    Some(match kind {
        "generation_started" => {
            Event::GenerationStarted(GenerationStarted { of, preview_path, total_steps, generator })
        }
        "generation_progress" => {
            Event::GenerationProgress(GenerationProgress { of, step, total_steps, preview_path, eta_ms, waiting_for })
        }
        "generation_completed" => Event::GenerationCompleted(GenerationCompleted {
            of,
            final_path,
            step,
            total_steps,
            generator,
            etag,
            frame,
        }),
        "generation_failed" => Event::GenerationFailed(GenerationFailed { of, error, frame_removed, frame }),
        "generation_cancelled" => Event::GenerationCancelled(GenerationCancelled { of, frame_removed, frame }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::state::examples;

    #[test]
    fn it_reads_every_event_as_the_protocol_does() {
        for event in examples::every_event() {
            for seq in [None, Some(7)] {
                let message_ = Message { seq, event: event.clone() };
                let text = serde_json::to_string(&message_).expect("serializes");
                assert_eq!(message(&text), Some(message_), "{text}");
            }
        }
    }

    #[test]
    fn what_it_does_not_know_is_passed_over() {
        for text in
            ["", "{", "7", r#"{"type":"later","data":{}}"#, r#"{"type":"hello"}"#, r#"{"type":"hello","data":7}"#]
        {
            assert_eq!(message(text), None, "{text}");
        }
    }
}
