//! Pausing and resuming tasks.

use crate::database::{Database, create};
use crate::on_both;
use crate::studio::{claim, conflict, finish, key, missing, new_frame, request};
use protocol::{FrameStatus, TaskId, TaskStatus};
use store::{End, NewTasks, Store, TaskFilter};

on_both![
    a_paused_task_keeps_its_place_and_its_steps,
    what_ends_a_paused_task,
    a_task_pauses_at_its_step_unless_it_was_resumed_or_kept,
    steps_saved_at_a_kill_are_not_held_against_a_task
];

async fn queue(store: &Store) -> Vec<(TaskId, TaskStatus)> {
    let tasks = store.get_queue().await.expect("the queue");
    tasks.into_iter().map(|task| (task.id, task.status)).collect()
}

async fn a_paused_task_keeps_its_place_and_its_steps(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (frame, first) = new_frame(&store, project).await;
    let (_, second) = new_frame(&store, project).await;
    let (_, third) = new_frame(&store, project).await;
    assert_eq!(missing(store.pause_task(TaskId(999)).await), "task 999");
    assert_eq!(missing(store.resume_task(TaskId(999), false).await), "task 999");
    let open = claim(&store).await;
    let status = format!("task {} is running (attempt 1), not ", first.id);
    assert_eq!(conflict(store.pause_task(first.id).await), format!("{status}queued or running"));
    assert_eq!(conflict(store.resume_task(first.id, false).await), format!("{status}paused"));
    assert_eq!(conflict(store.pause_attempt(first.id, 2, 8).await), format!("{status}running as attempt 2"));
    let paused = store.pause_attempt(first.id, 1, 8).await.expect("paused");
    assert_eq!((paused.task.status, paused.task.step, paused.done_steps), (TaskStatus::Paused, 8, 8));
    store.pause_task(second.id).await.expect("paused");
    assert_eq!(
        conflict(store.pause_task(second.id).await),
        format!("task {} is paused, not queued or running", second.id)
    );
    conflict(store.complete_task(first.id, 1, "late".into(), 30).await);
    conflict(store.requeue_task(first.id).await);

    // They stay paused over a restart, are listed last, and no worker starts them.
    let store = database.open().await;
    let paused = [(first.id, TaskStatus::Paused), (second.id, TaskStatus::Paused)];
    assert_eq!(queue(&store).await, [vec![(third.id, TaskStatus::Queued)], paused.to_vec()].concat());
    let shown = store.get_frame(frame.id).await.expect("it");
    assert_eq!((shown.status, shown.take_id, &shown.path), (FrameStatus::Paused, open.take_id, &frame.path));
    let of = |status| TaskFilter { status: Some(status), project_id: None };
    let listed = store.first_tasks(of(TaskStatus::Paused)).await.expect("two");
    assert_eq!(listed.iter().map(|task| task.id).collect::<Vec<_>>(), [second.id, first.id]);
    assert_eq!(store.first_tasks(of(TaskStatus::Queued)).await.expect("one").len(), 1);
    let counts = store.counts().await.expect("counted");
    let count = |status| counts.iter().find(|(of, _)| *of == status).map(|(_, count)| *count);
    assert_eq!((count(TaskStatus::Queued), count(TaskStatus::Paused)), (Some(1), Some(2)));
    let why = conflict(store.reorder_queue(&[second.id]).await);
    assert_eq!(why, format!("task {} is paused, not queued", second.id));
    assert!(store.interrupted_tasks().await.expect("none").is_empty());

    // Resumed, the first has its old place, and its next attempt goes on.
    store.resume_task(first.id, false).await.expect("queued");
    let expected = [(first.id, TaskStatus::Queued), (third.id, TaskStatus::Queued), (second.id, TaskStatus::Paused)];
    assert_eq!(queue(&store).await, expected);
    assert_eq!(store.get_task(first.id).await.expect("it").step, 8);
    let again = claim(&store).await;
    assert_eq!((again.task.id, again.task.attempt, again.done_steps, again.keeps), (first.id, 2, 8, false));
    finish(&store, &again).await;
    assert_eq!(claim(&store).await.task.id, third.id);
    assert_eq!(store.claim_task().await.expect("answered"), None, "the second is paused");
}

async fn a_task_pauses_at_its_step_unless_it_was_resumed_or_kept(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let asked = NewTasks { pause_at: Some(8), ..request(project, None, 3) };
    let made: Vec<_> = store.create_tasks(asked).await.expect("accepted").tasks.iter().map(|task| task.id).collect();
    let open = claim(&store).await;
    assert_eq!((open.task.id, open.task.pause_at), (made[0], Some(8)));
    let paused = store.pause_at_its_step(made[0], 1, 8, false).await.expect("paused").task;
    assert_eq!((paused.status, paused.step, paused.pause_at), (TaskStatus::Paused, 8, Some(8)));
    assert!(!store.pause_no_more(made[0]).await.expect("answered"), "it is paused");
    conflict(store.pause_at_its_step(made[0], 1, 8, false).await);
    // Resumed, it does not pause again.
    let resumed = store.resume_task(made[0], false).await.expect("queued").task;
    assert_eq!((resumed.status, resumed.pause_at), (TaskStatus::Queued, None));
    assert!(!store.pause_no_more(made[0]).await.expect("answered"));
    let finished = claim(&store).await;
    assert_eq!((finished.task.id, finished.done_steps), (made[0], 8));
    finish(&store, &finished).await;
    // Resumed before its step.
    assert_eq!(claim(&store).await.task.id, made[1]);
    assert!(store.pause_no_more(made[1]).await.expect("changed"));
    let goes_on = store.pause_at_its_step(made[1], 1, 8, false).await.expect("queued").task;
    assert_eq!((goes_on.status, goes_on.step, goes_on.pause_at), (TaskStatus::Queued, 8, None));
    finish(&store, &claim(&store).await).await;
    // Kept before it stopped.
    assert_eq!(claim(&store).await.task.id, made[2]);
    let kept = store.pause_at_its_step(made[2], 1, 8, true).await.expect("queued");
    assert_eq!((kept.task.status, kept.keeps), (TaskStatus::Queued, true));
    assert!(!store.pause_no_more(TaskId(999)).await.is_ok_and(|changed| changed));
}

async fn what_ends_a_paused_task(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (frame, kept) = new_frame(&store, project).await;
    claim(&store).await;
    store.pause_attempt(kept.id, 1, 3).await.expect("paused");
    let take = store.list_takes(frame.id).await.expect("one").remove(0);
    assert_eq!(take.status, TaskStatus::Paused);
    let why = conflict(store.delete_take(take.id).await);
    assert!(why.contains("is paused; cancel it first"), "{why}");
    // Kept: its next start makes the picture of what is done.
    store.resume_task(kept.id, true).await.expect("queued");
    let open = claim(&store).await;
    assert!(open.keeps);
    finish(&store, &open).await;

    let (frame, cancelled) = new_frame(&store, project).await;
    claim(&store).await;
    store.pause_attempt(cancelled.id, 1, 3).await.expect("paused");
    let open = [TaskStatus::Queued, TaskStatus::Running];
    conflict(store.end_task(cancelled.id, &open, End::Cancelled).await);
    let deleted = store.delete_frame(frame.id).await.expect("deleted");
    assert_eq!(deleted.open_tasks, [cancelled.id]);
    store.restore_frame(frame.id).await.expect("there again");
    let ended = store.end_task(cancelled.id, &[TaskStatus::Paused], End::Cancelled).await.expect("cancelled");
    assert_eq!((ended.task.status, ended.frame_removed.map(|frame| frame.id)), (TaskStatus::Cancelled, Some(frame.id)));
    conflict(store.resume_task(cancelled.id, false).await);
    // Tried again it starts with its first step.
    store.retry_task(cancelled.id, key()).await.expect("queued");
    let again = claim(&store).await;
    assert_eq!((again.task.id, again.done_steps, again.keeps), (cancelled.id, 0, false));
}

async fn steps_saved_at_a_kill_are_not_held_against_a_task(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (_, task) = new_frame(&store, project).await;
    for done in [4, 9] {
        claim(&store).await;
        let open = store.requeue_after_steps(task.id, done, true).await.expect("queued");
        assert_eq!((open.done_steps, open.unclean_ends, open.task.step), (done, 0, done));
    }
    claim(&store).await;
    assert_eq!(store.requeue_after_unclean_end(task.id).await.expect("queued").unclean_ends, 1);
    // A person who pauses and resumes it tries it again.
    store.pause_task(task.id).await.expect("paused");
    assert_eq!(store.resume_task(task.id, false).await.expect("queued").unclean_ends, 0);
}
