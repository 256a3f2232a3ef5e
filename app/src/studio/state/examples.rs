//! Example frames, tasks and events for tests.

use protocol::*;

/// A finished frame at position `id - 1`.
pub fn frame(id: i64) -> Frame {
    Frame {
        id: FrameId(id),
        project_id: ProjectId(1),
        position: (id - 1).max(0) as u32,
        duration: 1,
        path: format!("/media/k{id}.png"),
        width: 128,
        height: 128,
        status: FrameStatus::Ready,
        take_id: TakeId(id),
        task_id: TaskId(id),
        selected_take_id: Some(TakeId(id)),
        etag: Some(format!("e{id}")),
        note: String::new(),
        created_at: "2026-11-22T10:00:00Z".into(),
    }
}

/// A queued task of the frame with the same id.
pub fn task(id: i64) -> TaskSummary {
    TaskSummary {
        task_id: TaskId(id),
        frame_id: FrameId(id),
        project_id: ProjectId(1),
        take_id: TakeId(id),
        status: TaskStatus::Queued,
        attempt: 0,
        step: 0,
        total_steps: 30,
        eta_ms: None,
        waiting_for: None,
        loading: None,
        overnight: false,
        pause_at: None,
        seed: 100,
        preview_path: format!("/media/k{id}.png"),
        prompt: "a red car".into(),
    }
}

/// A finished take of frame 1.
pub fn take() -> Take {
    Take {
        id: TakeId(1),
        frame_id: FrameId(1),
        project_id: ProjectId(1),
        task_id: TaskId(1),
        path: "/media/k1.png".into(),
        width: 128,
        height: 128,
        status: TaskStatus::Completed,
        selected: false,
        parameters: Parameters::imported(128, 128),
        seed: 1,
        etag: Some("e1".into()),
        finished_step: None,
        created_at: "2026-11-22T10:00:00Z".into(),
        finished_at: Some("2026-11-22T10:01:00Z".into()),
        trace_pinned: false,
    }
}

/// The studio of project 1 with these frames and tasks, as of event 10.
pub fn studio(frames: Vec<Frame>, tasks: Vec<TaskSummary>) -> Studio {
    Studio {
        epoch: "e".into(),
        seq: 10,
        project: project(),
        frames,
        queue: Queue { paused: false, tasks: tasks.clone() },
        tasks,
        models: vec![],
        settings: Settings::default(),
        export_formats: ExportFormat::ALL.to_vec(),
    }
}

/// Project 1.
pub fn project() -> Project {
    Project {
        id: ProjectId(1),
        name: "Storm".into(),
        width: 128,
        height: 128,
        fps: 12,
        cover: None,
        created_at: "2026-11-22T10:00:00Z".into(),
        updated_at: "2026-11-22T10:00:00Z".into(),
    }
}

/// The ids of an attempt at the task, frame and take of this id.
pub fn ids(id: i64, attempt: u32) -> GenerationIds {
    GenerationIds { task_id: TaskId(id), frame_id: FrameId(id), project_id: ProjectId(1), take_id: TakeId(id), attempt }
}

/// `generation_started`.
pub fn started(of: GenerationIds) -> Event {
    let preview_path = format!("/media/k{}.png", of.take_id);
    Event::GenerationStarted(GenerationStarted {
        of,
        step: 0,
        preview_path,
        total_steps: 30,
        generator: GENERATOR.into(),
    })
}

/// `generation_progress` of a step.
pub fn progress(of: GenerationIds, step: u32) -> Event {
    progress_at(of, step, Some(9000), None)
}

/// `generation_progress` of a task that waits after a step.
pub fn waits(of: GenerationIds, step: u32, reason: &str) -> Event {
    progress_at(of, step, None, Some(reason.into()))
}

fn progress_at(of: GenerationIds, step: u32, eta_ms: Option<u64>, waiting_for: Option<String>) -> Event {
    let preview_path = format!("/media/k{}.png", of.take_id);
    Event::GenerationProgress(GenerationProgress { of, step, total_steps: 30, preview_path, eta_ms, waiting_for })
}

/// `generation_completed`.
pub fn completed(of: GenerationIds, frame: Option<Frame>) -> Event {
    Event::GenerationCompleted(GenerationCompleted {
        final_path: format!("/media/k{}.png", of.take_id),
        of,
        step: 30,
        total_steps: 30,
        generator: GENERATOR.into(),
        etag: "e1".into(),
        frame,
    })
}

/// `generation_failed`; without a frame, the frame was removed.
pub fn failed(of: GenerationIds, frame: Option<Frame>) -> Event {
    let frame_removed = frame.is_none();
    Event::GenerationFailed(GenerationFailed { of, error: "out of memory".into(), frame_removed, frame })
}

/// `generation_cancelled`; without a frame, the frame was removed.
pub fn cancelled(of: GenerationIds, frame: Option<Frame>) -> Event {
    let frame_removed = frame.is_none();
    Event::GenerationCancelled(GenerationCancelled { of, frame_removed, frame })
}

/// `generation_interrupted`.
pub fn interrupted(of: GenerationIds, frame: Option<Frame>) -> Event {
    Event::GenerationInterrupted(GenerationInterrupted { of, reason: "its worker has stopped".into(), step: 0, frame })
}

/// `generation_paused`.
pub fn paused(of: GenerationIds, step: u32, frame: Option<Frame>) -> Event {
    let preview_path = format!("/media/k{}.png", of.take_id);
    Event::GenerationPaused(GenerationPaused { of, step, total_steps: 30, preview_path, frame })
}

/// `generation_resumed`.
pub fn resumed(of: GenerationIds, step: u32, frame: Option<Frame>) -> Event {
    let preview_path = format!("/media/k{}.png", of.take_id);
    Event::GenerationResumed(GenerationResumed { of, step, total_steps: 30, preview_path, frame })
}

/// `generation_steered`: five more steps.
pub fn steered(of: GenerationIds, step: u32) -> Event {
    let track = Track(vec![TrackChange { step, finish_in: Some(5), ..TrackChange::default() }]);
    Event::GenerationSteered(GenerationSteered { of, step, total_steps: step + 5, track })
}

/// The first message of a connection.
pub fn hello(epoch: &str, seq: u64, tasks: Vec<TaskSummary>) -> Event {
    Event::Hello(Hello { version: "0.1.0".into(), epoch: epoch.into(), seq, tasks })
}

/// One event of each type.
pub fn every_event() -> Vec<Event> {
    let metrics = Metrics {
        cpu_percent: 12.5,
        memory_used_bytes: 1,
        memory_total_bytes: 2,
        process_memory_bytes: 1,
        uptime_s: 3,
        device: "CPU".into(),
        queued_tasks: 1,
        running_tasks: 0,
    };
    vec![
        hello("e", 7, vec![task(1)]),
        Event::Metrics(metrics),
        Event::Resync(Resync { seq: 9, reason: "the history is gone".into() }),
        Event::ProjectUpdated(ProjectUpdated { project: project(), deleted: false }),
        Event::FrameCreated(frame(1).into()),
        Event::FrameUpdated(frame(2).into()),
        Event::FrameDeleted(frame(3).into()),
        Event::QueueUpdated(Queue { paused: true, tasks: vec![task(1), task(2)] }),
        Event::LibraryUpdated(LibraryStatus { revision: 3, scanning: true, ..LibraryStatus::default() }),
        Event::StylesUpdated(StylesUpdated { styles: 2 }),
        Event::WorkersUpdated(Workers::default()),
        started(ids(1, 1)),
        progress(ids(1, 1), 3),
        waits(ids(1, 1), 3, "the disk is full"),
        completed(ids(1, 1), Some(frame(1))),
        failed(ids(1, 1), None),
        cancelled(ids(1, 1), Some(frame(1))),
        interrupted(ids(1, 1), Some(frame(1))),
        paused(ids(1, 1), 8, Some(frame(1))),
        resumed(ids(1, 1), 8, None),
        steered(ids(1, 1), 8),
    ]
}
