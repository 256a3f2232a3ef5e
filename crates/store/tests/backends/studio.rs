//! Helpers for tests with frames, tasks and takes.

use protocol::{Frame, FrameId, Parameters, PreviewMethod, ProjectId, Schedule, Task, TaskStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use store::{Created, End, Ended, FinishedTake, NewTake, NewTasks, OpenTask, Store, StoreError};

/// A key that is unique, even across processes.
pub fn key() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    format!("{:08x}-{:023x}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Parameters of a picture of 64 by 128 pixels in 30 steps.
pub fn parameters() -> Parameters {
    Parameters {
        prompt: "a storm over \"龍\" 🔥".into(),
        steps: 30,
        cfg_scale: 0.1 + 4.2,
        scheduler: Schedule::Leading,
        model: "starter".into(),
        preview_method: PreviewMethod::Latent2Rgb,
        preview_interval_ms: 250,
        ..Parameters::imported(64, 128)
    }
}

/// A request for that many takes, their seeds counting up from 100.
pub fn request(project: ProjectId, frame: Option<FrameId>, takes: u64) -> NewTasks {
    let take = |n| NewTake { key: key(), parameters: parameters(), seed: 100 + n };
    NewTasks {
        project_id: project,
        frame_id: frame,
        takes: (0..takes).map(take).collect(),
        idempotency: None,
        overnight: false,
        pause_at: None,
    }
}

/// A finished picture, for an import, at step 30.
pub fn finished_take() -> FinishedTake {
    let take = NewTake { key: key(), parameters: parameters(), seed: 100 };
    FinishedTake { picture: format!("etag-{}", take.key).into(), take, step: 30 }
}

/// Queues that many takes.
pub async fn generate(store: &Store, project: ProjectId, frame: Option<FrameId>, takes: u64) -> Created {
    store.create_tasks(request(project, frame, takes)).await.expect("accepted")
}

/// Queues one take of a new frame.
pub async fn new_frame(store: &Store, project: ProjectId) -> (Frame, Task) {
    let made = generate(store, project, None, 1).await;
    let task = made.tasks.into_iter().next().expect("one task");
    (made.frame.expect("a new frame"), task)
}

/// Creates a frame with one finished picture. The queue must be empty.
pub async fn ready_frame(store: &Store, project: ProjectId) -> Frame {
    let (_, task) = new_frame(store, project).await;
    let claimed = claim(store).await;
    assert_eq!(claimed.task.id, task.id, "another task waits");
    finish(store, &claimed).await.frame.expect("a live frame")
}

/// Claims the next task.
pub async fn claim(store: &Store) -> OpenTask {
    store.claim_task().await.expect("claimed").expect("a task waits")
}

/// Completes a task at its last step.
pub async fn finish(store: &Store, open: &OpenTask) -> Ended {
    // Pictures of the same millisecond are ordered by id.
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    let picture = format!("etag-{}", open.key).into();
    store.complete_task(open.task.id, open.task.attempt, picture, open.task.total_steps).await.expect("completed")
}

/// Cancels a queued or running task.
pub async fn cancel(store: &Store, task: &Task) -> Ended {
    let open = [TaskStatus::Queued, TaskStatus::Running];
    store.end_task(task.id, &open, End::Cancelled).await.expect("cancelled")
}

/// The ids of a project's frames in timeline order. Asserts that positions count from 0.
pub async fn timeline(store: &Store, project: ProjectId) -> Vec<FrameId> {
    let frames = store.list_frames(project).await.expect("the timeline");
    for (rank, frame) in frames.iter().enumerate() {
        assert_eq!(frame.position as usize, rank, "{frames:?}");
        assert_eq!(*frame, store.get_frame(frame.id).await.expect("the same, alone"));
    }
    frames.into_iter().map(|frame| frame.id).collect()
}

/// The message of a `Conflict`.
pub fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Conflict { why }) => why,
        other => panic!("no conflict: {other:?}"),
    }
}

/// The row that `NotFound` names.
pub fn missing<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::NotFound { what }) => what,
        other => panic!("not missing: {other:?}"),
    }
}
