use super::{examples::*, *};
use protocol::{FrameStatus, GenerationIds, GenerationStarted, Resync, TakeId};

fn queued(id: i64) -> Frame {
    Frame { status: FrameStatus::Queued, selected_take_id: None, etag: None, ..frame(id) }
}

fn state(frames: Vec<Frame>, tasks: Vec<TaskSummary>) -> StudioState {
    studio(frames, tasks).into()
}

/// Applies the events, numbered from 11.
fn applied(mut state: StudioState, events: &[Event]) -> StudioState {
    for (seq, event) in (11..).zip(events) {
        assert_eq!(state.apply(Message { seq: Some(seq), event: event.clone() }), Next::Continue, "{event:?}");
    }
    state
}

fn whole_life() -> Vec<Event> {
    vec![
        Event::FrameCreated(queued(1).into()),
        Event::QueueUpdated(Queue { paused: false, tasks: vec![task(1)] }),
        started(ids(1, 1)),
        progress(ids(1, 1), 1),
        progress(ids(1, 1), 2),
        completed(ids(1, 1), Some(frame(1))),
        Event::QueueUpdated(Queue { paused: false, tasks: vec![] }),
    ]
}

#[test]
fn a_generation_goes_from_queued_to_ready() {
    let events = whole_life();
    let now = applied(state(vec![], vec![]), &events[..2]);
    assert_eq!(
        (now.frames[0].status, now.task_of(&now.frames[0]).map(|task| task.step)),
        (FrameStatus::Queued, Some(0))
    );
    let now = applied(state(vec![], vec![]), &events[..5]);
    let task = now.task_of(&now.frames[0]).expect("runs");
    assert_eq!(
        (now.frames[0].status, task.status, task.attempt, task.step),
        (FrameStatus::Running, TaskStatus::Running, 1, 2)
    );
    assert_eq!((task.eta_ms, task.prompt.as_str()), (Some(9000), "a red car"));
    let now = applied(state(vec![], vec![]), &events);
    assert_eq!((now.frames.as_slice(), now.tasks.len()), ([frame(1)].as_slice(), 0));
    assert_eq!(now.spoken, "Frame 1 is finished.");
}

#[test]
fn an_interrupted_task_waits_again_at_its_first_step() {
    let (first, second) = (ids(1, 1), ids(1, 2));
    let waiting = TaskSummary { attempt: 1, ..task(1) };
    let events = [
        started(first.clone()),
        progress(first.clone(), 12),
        interrupted(first, Some(queued(1))),
        Event::QueueUpdated(Queue { paused: false, tasks: vec![waiting] }),
        started(second.clone()),
        progress(second, 1),
    ];
    let before = state(vec![queued(1)], vec![task(1)]);
    for count in [3, 4] {
        let now = applied(before.clone(), &events[..count]);
        let (task, frame) = (&now.tasks[0], &now.frames[0]);
        assert_eq!((task.status, task.attempt, task.step), (TaskStatus::Queued, 1, 0), "after {count} events");
        assert_eq!(
            (frame.status, now.spoken.as_str()),
            (FrameStatus::Queued, "Frame 1 was interrupted and waits again.")
        );
        assert_eq!(now.queue.tasks[0].status, TaskStatus::Queued);
    }
    let now = applied(before, &events);
    assert_eq!((now.tasks[0].status, now.tasks[0].attempt, now.tasks[0].step), (TaskStatus::Running, 2, 1));
}

#[test]
fn a_paused_task_keeps_its_steps_and_goes_on_after_them() {
    let (first, second) = (ids(1, 1), ids(1, 2));
    let stopped = Frame { status: FrameStatus::Paused, ..queued(1) };
    let listed = TaskSummary { status: TaskStatus::Paused, attempt: 1, step: 8, ..task(1) };
    let goes_on = match started(second.clone()) {
        Event::GenerationStarted(data) => Event::GenerationStarted(GenerationStarted { step: 8, ..data }),
        other => panic!("{other:?}"),
    };
    let events = [
        started(first.clone()),
        progress(first.clone(), 8),
        paused(first.clone(), 8, Some(stopped)),
        Event::QueueUpdated(Queue { paused: false, tasks: vec![listed] }),
        resumed(first, 8, Some(queued(1))),
        goes_on,
        progress(second, 9),
    ];
    let before = state(vec![queued(1)], vec![task(1)]);
    let at = |count: usize| {
        let now = applied(before.clone(), &events[..count]);
        let task = &now.tasks[0];
        (task.status, task.attempt, task.step, now.spoken.clone())
    };
    for count in [3, 4] {
        assert_eq!(at(count), (TaskStatus::Paused, 1, 8, "Frame 1 is paused.".into()), "after {count} events");
    }
    assert_eq!(at(5), (TaskStatus::Queued, 1, 8, "Frame 1 waits to go on.".into()));
    assert_eq!(at(6), (TaskStatus::Running, 2, 8, "Frame 1 is being made.".into()));
    assert_eq!(at(7).2, 9);
}

#[test]
fn a_task_that_waits_says_so_until_it_goes_on() {
    let of = ids(1, 1);
    let waits = waits(of.clone(), 30, "the disk is full");
    let events = [started(of.clone()), progress(of.clone(), 30), waits, progress(of, 30)];
    let after = |count| applied(state(vec![frame(1)], vec![task(1)]), &events[..count]).tasks[0].clone();
    assert_eq!((after(2).step, after(2).waiting_for), (30, None));
    assert_eq!((after(3).step, after(3).eta_ms, after(3).waiting_for.as_deref()), (30, None, Some("the disk is full")));
    assert_eq!((after(4).step, after(4).waiting_for), (30, None));
}

#[test]
fn hearing_an_event_twice_changes_nothing() {
    let mut now = state(vec![], vec![]);
    for (seq, event) in (11..).zip(whole_life()) {
        now.apply(Message { seq: Some(seq), event: event.clone() });
        let before = now.clone();
        now.apply(Message { seq: Some(seq), event });
        assert_eq!(now, before, "event {seq}");
    }
}

#[test]
fn a_snapshot_of_any_moment_and_the_later_events_give_the_same_state() {
    let all = whole_life();
    let end = applied(state(vec![], vec![]), &all);
    for read_at in 0..=all.len() {
        // The seq is read before the database: the rows may be newer than it by any number of events.
        for rows_at in read_at..=all.len() {
            let rows = applied(state(vec![], vec![]), &all[..rows_at]);
            let mut now: StudioState = Studio {
                seq: 10 + read_at as u64,
                queue: Queue { paused: false, tasks: rows.tasks.clone() },
                ..studio(rows.frames.clone(), rows.tasks.clone())
            }
            .into();
            let open = end.tasks.clone();
            now.apply(Message { seq: None, event: hello("e", 10 + all.len() as u64, open) });
            for (seq, event) in (11..).zip(&all) {
                now.apply(Message { seq: Some(seq), event: event.clone() });
            }
            assert_eq!((&now.frames, &now.tasks, now.seq), (&end.frames, &end.tasks, end.seq), "{read_at} {rows_at}");
        }
    }
}

#[test]
fn order_is_by_attempt_then_step() {
    let mut now = state(vec![queued(1)], vec![task(1)]);
    let mut seq = 10;
    let mut hear = |now: &mut StudioState, event| {
        seq += 1;
        now.apply(Message { seq: Some(seq), event });
        let task = now.task(TaskId(1)).expect("open");
        (task.attempt, task.step)
    };
    assert_eq!(hear(&mut now, progress(ids(1, 1), 9)), (1, 9));
    assert_eq!(hear(&mut now, progress(ids(1, 1), 8)), (1, 9), "an older step");
    assert_eq!(hear(&mut now, started(ids(1, 2))), (2, 0), "a new attempt begins at its own step 0");
    assert_eq!(hear(&mut now, progress(ids(1, 1), 30)), (2, 0), "a step of the attempt before");
    assert_eq!(hear(&mut now, progress(ids(1, 2), 1)), (2, 1));
}

#[test]
fn a_frame_that_never_had_a_picture_goes_with_its_generation() {
    let now =
        applied(state(vec![frame(1), queued(2)], vec![task(2)]), &[started(ids(2, 1)), cancelled(ids(2, 1), None)]);
    assert_eq!((now.frames.len(), now.tasks.len()), (1, 0));
    assert_eq!(
        now.ended,
        [Ended {
            task_id: TaskId(2),
            frame_id: FrameId(2),
            take_id: TakeId(2),
            seed: 100,
            prompt: "a red car".into(),
            error: None
        }]
    );
    assert_eq!(now.spoken, "The generation was cancelled.");
}

#[test]
fn a_frame_shows_again_what_it_showed_and_a_failure_stays_until_a_retry() {
    let of = GenerationIds { task_id: TaskId(7), take_id: TakeId(7), ..ids(1, 1) };
    let summary = TaskSummary { task_id: TaskId(7), take_id: TakeId(7), ..task(1) };
    let before = state(vec![frame(1)], vec![summary]);
    let running = applied(before.clone(), &[started(of.clone())]);
    assert_eq!((running.frames[0].path.as_str(), running.frames[0].status), ("/media/k7.png", FrameStatus::Running));
    let events = [started(of.clone()), failed(of.clone(), Some(frame(1)))];
    let now = applied(before.clone(), &events);
    assert_eq!(now.frames, before.frames);
    assert_eq!(now.ended[0].error.as_deref(), Some("out of memory"));
    let again = applied(before, &[events[0].clone(), events[1].clone(), started(GenerationIds { attempt: 2, ..of })]);
    assert_eq!(again.ended, []);
}

#[test]
fn the_newest_running_take_is_shown() {
    let of = |take| GenerationIds { task_id: TaskId(take), take_id: TakeId(take), ..ids(1, 1) };
    let now = applied(state(vec![frame(1)], vec![]), &[started(of(8)), started(of(9)), progress(of(8), 5)]);
    assert_eq!((now.frames[0].take_id, now.frames[0].task_id), (TakeId(9), TaskId(9)));
}

#[test]
fn frames_keep_their_order_whatever_the_order_of_events() {
    let at = |id, position| Frame { position, ..frame(id) };
    let events = [
        Event::FrameUpdated(at(3, 0).into()),
        Event::FrameUpdated(at(1, 1).into()),
        Event::FrameUpdated(at(2, 2).into()),
    ];
    let now = applied(state(vec![frame(1), frame(2), frame(3)], vec![]), &events);
    assert_eq!(now.frames.iter().map(|frame| frame.id.0).collect::<Vec<_>>(), [3, 1, 2]);
    let mut moved = state(vec![frame(1), frame(2), frame(3)], vec![]);
    moved.move_frame(FrameId(3), 0);
    assert_eq!(moved.frames, now.frames, "moved here at once as the server says it later");
}

#[test]
fn frames_close_ranks_when_one_goes_and_make_room_when_one_comes() {
    let at = |id, position| Frame { position, ..frame(id) };
    let order = |state: &StudioState| state.frames.iter().map(|frame| (frame.id.0, frame.position)).collect::<Vec<_>>();
    let all: Vec<Frame> = (0..4).map(|n| at(i64::from(n) + 1, n)).collect();
    let gone = [Event::FrameDeleted(at(1, 0).into()), Event::FrameDeleted(at(2, 0).into())];
    let now = applied(state(all.clone(), vec![]), &gone);
    assert_eq!(order(&now), [(3, 0), (4, 1)]);
    let events =
        [gone.as_slice(), &[Event::FrameCreated(at(9, 2).into()), Event::FrameCreated(at(1, 0).into())]].concat();
    assert_eq!(order(&applied(state(all, vec![]), &events)), [(1, 0), (3, 1), (4, 2), (9, 3)]);
}

#[test]
fn an_edit_is_shown_over_events_until_the_server_has_answered_it() {
    let stretched = |duration| Event::FrameUpdated(Frame { duration, ..frame(1) }.into());
    let stretch = |from, to| Edit::Stretch { id: 1, from, to };
    let duration = |state: &StudioState| state.frame(FrameId(1)).map(|frame| frame.duration);
    let mut now = state(vec![frame(1), frame(2), frame(3)], vec![]);
    now.edit(stretch(1, 2));
    now.edit(stretch(2, 3));
    now.edit(Edit::Move { id: 3, from: 2, to: 0 });
    let now = &mut applied(now, &[stretched(2)]);
    assert_eq!(duration(now), Some(3), "the event of the first edit does not take the second back");
    assert_eq!(now.frames[0].id, FrameId(3));
    assert_eq!(now.oldest_edit(), Some(stretch(1, 2)));
    now.edit_done();
    assert_eq!(now.oldest_edit(), Some(stretch(2, 3)));
    now.hold();
    assert_eq!(now.replace(Studio { seq: 12, ..studio(vec![frame(1), frame(2), frame(3)], vec![]) }), Next::Continue);
    assert_eq!((duration(now), now.frames[0].id), (Some(3), FrameId(3)), "nor does everything read anew");
    now.drop_edits();
    assert_eq!(now.oldest_edit(), None);
    now.apply(Message { seq: Some(13), event: stretched(2) });
    assert_eq!(duration(now), Some(2));
}

#[test]
fn another_projects_frames_are_none_of_ours() {
    let other = Frame { project_id: protocol::ProjectId(2), ..frame(9) };
    let now = applied(state(vec![frame(1)], vec![]), &[Event::FrameCreated(other.into())]);
    assert_eq!(now.frames, [frame(1)]);
}

#[test]
fn another_epoch_or_a_lost_history_reloads_everything_and_loses_nothing_meanwhile() {
    let resync = Event::Resync(Resync { seq: 20, reason: "gone".into() });
    for lost in [hello("other", 3, vec![]), resync] {
        let mut now = state(vec![frame(1)], vec![]);
        assert_eq!(now.apply(Message { seq: None, event: lost }), Next::Reload);
        assert!(now.is_reloading());
        now.apply(Message { seq: Some(4), event: Event::FrameCreated(frame(2).into()) });
        now.apply(Message { seq: Some(6), event: Event::FrameCreated(frame(3).into()) });
        assert_eq!(now.frames, [frame(1)], "kept back");
        let fresh = Studio { epoch: now.epoch.clone(), seq: 5, ..studio(vec![frame(1)], vec![]) };
        let stale = Studio { epoch: "of an earlier start".into(), seq: 50, ..studio(vec![], vec![]) };
        assert_eq!(now.replace(stale), Next::Continue);
        assert!(now.is_reloading(), "what an earlier start answered is not what the events build upon");
        assert_eq!(now.replace(fresh), Next::Continue);
        assert_eq!(now.frames, [frame(1), frame(3)], "only what came after the reading");
        assert_eq!(now.seq, 6);
    }
}

#[test]
fn the_default_frame_is_the_one_that_is_being_made() {
    assert_eq!(state(vec![], vec![]).default_frame(None), None);
    assert_eq!(state(vec![frame(1), frame(2)], vec![]).default_frame(None), Some(&frame(2)));
    assert_eq!(state(vec![frame(1), frame(2)], vec![]).default_frame(Some(FrameId(1))), Some(&frame(1)), "it stays");
    let run = TaskSummary { status: TaskStatus::Running, ..task(1) };
    let now = state(vec![frame(1), queued(2), frame(3)], vec![task(2), run]);
    assert_eq!(now.default_frame(Some(FrameId(3))), Some(&frame(1)));
}

#[test]
fn a_running_task_that_was_resumed_does_not_pause_by_itself_any_more() {
    let stops = |step| TaskSummary { pause_at: Some(8), attempt: 1, step, status: TaskStatus::Running, ..task(1) };
    let resumed = TaskSummary { pause_at: None, ..stops(2) };
    let events = [progress(ids(1, 1), 5), Event::QueueUpdated(Queue { paused: false, tasks: vec![resumed] })];
    let now = applied(state(vec![queued(1)], vec![stops(2)]), &events);
    assert_eq!((now.tasks[0].step, now.tasks[0].pause_at), (5, None), "the list is older than the step");
}
