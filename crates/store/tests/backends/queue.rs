//! Guarantees for the queue, its workers, and a start after a crash.

use crate::database::{Database, create};
use crate::on_both;
use crate::studio::{cancel, claim, conflict, finish, generate, missing, new_frame, ready_frame, request, timeline};
use protocol::{FrameStatus, ProjectId, TaskId, TaskStatus};
use std::collections::BTreeSet;
use store::{Claim, End, NewTasks, Store, StoreError, TaskFilter};

on_both![
    overnight_tasks_are_last,
    the_queue_is_worked_in_its_order,
    many_workers_never_get_the_same_task,
    a_task_that_changes_hands_is_never_out_of_sight,
    of_two_ends_one_wins,
    changes_that_meet_leave_nothing_bare,
    a_task_that_cannot_be_read_holds_up_nobody,
    an_interrupted_task_comes_first_again,
    ends_without_a_stop_are_counted_until_a_person_tries_again,
    files_are_listed_for_every_row,
    a_take_without_its_file_is_forgotten,
    settings_are_kept,
];

async fn order(store: &Store) -> Vec<TaskId> {
    store.get_queue().await.expect("the queue").into_iter().map(|task| task.id).collect()
}

async fn the_queue_is_worked_in_its_order(database: &Database) {
    let store = database.open().await;
    let (project, other) = (create(&store, "Storm").await.id, create(&store, "other").await.id);
    let running = new_frame(&store, project).await.1.id;
    claim(&store).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let project = if n % 2 == 0 { project } else { other };
        ids.push(new_frame(&store, project).await.1.id);
    }
    let [a, b, c, d, e] = ids[..] else { panic!("five tasks") };
    assert_eq!(order(&store).await, [running, a, b, c, d, e]);
    let told = store.reorder_queue(&[d, b]).await.expect("reordered");
    assert_eq!(told, store.get_queue().await.expect("the queue"));
    assert_eq!(order(&store).await, [running, d, b, a, c, e]);
    // An invalid order is refused with the task's id, and changes nothing.
    let result = store.reorder_queue(&[e, running]).await;
    assert_eq!(conflict(result), format!("task {running} is running, not queued"));
    assert_eq!(missing(store.reorder_queue(&[e, TaskId(999)]).await), "task 999");
    let result = store.reorder_queue(&[e, c, e]).await;
    assert!(matches!(result, Err(StoreError::Invalid { field: "task_ids", .. })), "{result:?}");
    assert_eq!(order(&store).await, [running, d, b, a, c, e]);
    // A new task is last. Tasks of a deleted project leave the queue, and return to their places with the project.
    let f = new_frame(&store, project).await.1.id;
    store.delete_project(other).await.expect("deleted");
    assert_eq!(order(&store).await, [running, a, c, e, f]);
    assert!(conflict(store.reorder_queue(&[b]).await).contains("deleted"));
    store.restore_project(other).await.expect("restored");
    for expected in [d, b, a, c, e, f] {
        let claimed = claim(&store).await;
        assert_eq!((claimed.task.id, claimed.task.attempt), (expected, 1));
        assert_eq!(claimed.task.preview_path, Some(protocol::media_path(&claimed.key)));
    }
    assert_eq!(store.claim_task().await.expect("answered"), None);
    assert_eq!(store.reorder_queue(&[]).await.expect("nothing waits").len(), 7);
}

async fn many_workers_never_get_the_same_task(database: &Database) {
    const TASKS: usize = 80;
    let (one, two) = (database.open().await, database.open().await);
    let project = create(&one, "Storm").await.id;
    for _ in 0..TASKS / 16 {
        generate(&one, project, None, 16).await;
    }
    let worker = async |store: Store| {
        let mut got = Vec::new();
        while let Some(open) = store.claim_task().await.expect("an answer") {
            assert_eq!((open.task.status, open.task.attempt), (TaskStatus::Running, 1));
            got.push(open.task.id);
            // Claims run concurrently with other changes, as workers' claims do.
            if got.len() % 3 == 0 {
                finish(&store, &open).await;
            }
        }
        got
    };
    let workers: Vec<_> =
        (0..12).map(|n| tokio::spawn(worker(if n % 2 == 0 { one.clone() } else { two.clone() }))).collect();
    let mut got = BTreeSet::new();
    for worker in workers {
        for id in worker.await.expect("no worker failed") {
            assert!(got.insert(id), "task {id} was given away twice");
        }
    }
    assert_eq!(got.len(), TASKS);
}

async fn a_task_that_changes_hands_is_never_out_of_sight(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (_, task) = new_frame(&store, project).await;
    let worker = store.clone();
    let moving = tokio::spawn(async move {
        for _ in 0..200 {
            claim(&worker).await;
            worker.requeue_task(task.id).await.expect("queued again");
        }
    });
    while !moving.is_finished() {
        assert_eq!(order(&store).await, [task.id]);
        let counts = store.counts().await.expect("counts");
        let open = |status| matches!(status, TaskStatus::Queued | TaskStatus::Running);
        assert_eq!(counts.iter().filter(|(status, _)| open(*status)).map(|(_, count)| count).sum::<u64>(), 1);
    }
    moving.await.expect("moved to and fro");
}

async fn of_two_ends_one_wins(database: &Database) {
    let (one, two) = (database.open().await, database.open().await);
    let project = create(&one, "Storm").await.id;
    let mut completed = 0;
    for _ in 0..20 {
        let (frame, task) = new_frame(&one, project).await;
        let claimed = claim(&one).await;
        let (here, there) = (one.clone(), two.clone());
        let finishing = tokio::spawn(async move { here.complete_task(claimed.task.id, 1, "e".into(), 30).await });
        let open = [TaskStatus::Queued, TaskStatus::Running];
        let cancelled = there.end_task(task.id, &open, End::Cancelled).await;
        let finished = finishing.await.expect("no panic");
        assert_ne!(finished.is_ok(), cancelled.is_ok(), "{finished:?} {cancelled:?}");
        let is_there = one.get_frame(frame.id).await.is_ok();
        assert_eq!(is_there, finished.is_ok(), "a frame with a picture stays, one without goes");
        if finished.is_ok() {
            completed += 1;
            conflict(cancelled);
        } else {
            conflict(finished);
        }
    }
    assert_eq!(timeline(&one, project).await.len(), completed);
}

/// Two stores change one project concurrently. Afterwards every live frame shows a take of its own, and
/// every take belongs to its task.
async fn changes_that_meet_leave_nothing_bare(database: &Database) {
    let (one, two) = (database.open().await, database.open().await);
    let project = create(&one, "Storm").await.id;
    for _ in 0..4 {
        ready_frame(&one, project).await;
    }
    let workers: Vec<_> = (0..6)
        .map(|who| tokio::spawn(be_busy(if who % 2 == 0 { one.clone() } else { two.clone() }, project, who)))
        .collect();
    for worker in workers {
        worker.await.expect("no worker failed");
    }
    let bare = "SELECT count(*) FROM frames WHERE deleted_at IS NULL AND id NOT IN (SELECT frame_id FROM takes)";
    let unselected = "SELECT count(*) FROM frames WHERE selected_take_id IS NULL AND id IN \
                      (SELECT frame_id FROM takes WHERE finished_at IS NOT NULL AND deleted_at IS NULL)";
    let unfinished = "SELECT count(*) FROM frames f JOIN takes t ON t.id = f.selected_take_id \
                      WHERE t.finished_at IS NULL";
    let deleted =
        "SELECT count(*) FROM frames f JOIN takes t ON t.id = f.selected_take_id WHERE t.deleted_at IS NOT NULL";
    let left_over = "SELECT count(*) FROM takes t JOIN tasks k ON k.id = t.task_id \
                     WHERE k.status IN ('failed', 'cancelled') OR (k.status = 'completed') <> (t.finished_at IS NOT NULL)";
    let without_take = "SELECT count(*) FROM tasks WHERE status IN ('queued', 'running') \
                        AND id NOT IN (SELECT task_id FROM takes)";
    for sql in [bare, unselected, unfinished, deleted, left_over, without_take] {
        assert_eq!(database.number(sql).await, 0, "{sql}");
    }
    let live = "SELECT count(*) FROM frames WHERE deleted_at IS NULL";
    assert_eq!(timeline(&one, project).await.len(), usize::try_from(database.number(live).await).expect("a count"));
}

async fn be_busy(store: Store, project: ProjectId, who: usize) {
    for round in 0..12 {
        let frames = store.list_frames(project).await.expect("the timeline");
        let Some(frame) = frames.get((who + round) % frames.len().max(1)) else { continue };
        // Conflicts are expected: the other store may have been first.
        let named = (round % 3 != 0).then_some(frame.id);
        let made = store.create_tasks(request(project, named, 2)).await;
        if let Ok(Some(open)) = store.claim_task().await {
            if (who + round).is_multiple_of(2) {
                let _ = store.complete_task(open.task.id, open.task.attempt, "e".into(), 1).await;
            } else {
                let why = End::Failed("it broke".into());
                let _ = store.end_task(open.task.id, &[TaskStatus::Running], why).await;
                let _ = store.retry_task(open.task.id, crate::studio::key()).await;
            }
        }
        if let Some(task) = made.ok().and_then(|made| made.tasks.into_iter().next()) {
            let _ = store.end_task(task.id, &[TaskStatus::Queued], End::Cancelled).await;
        }
        let _ = store.delete_take(frame.take_id).await;
        let patch = protocol::FramePatch { position: Some(1), ..protocol::FramePatch::default() };
        let _ = store.update_frame(frame.id, patch).await;
        if store.delete_frame(frame.id).await.is_ok() {
            let _ = store.restore_frame(frame.id).await;
        }
    }
}

async fn a_task_that_cannot_be_read_holds_up_nobody(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (_, broken) = new_frame(&store, project).await;
    let (_, good) = new_frame(&store, project).await;
    database.execute(&format!("UPDATE tasks SET parameters = '{{}}' WHERE id = {}", broken.id)).await;
    assert_eq!(claim(&store).await.task.id, good.id);
    let count = |condition: String| async move { database.number(&format!("SELECT count(*) FROM {condition}")).await };
    let failed = format!("tasks WHERE id = {} AND status = 'failed' AND error LIKE '%tasks.parameters%'", broken.id);
    assert_eq!(count(failed).await, 1, "it is not called running");
    assert_eq!(count(format!("takes WHERE task_id = {}", broken.id)).await, 0);
    assert_eq!(timeline(&store, project).await.len(), 1, "its frame had nothing else to show");
}

async fn an_interrupted_task_comes_first_again(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (_, first) = new_frame(&store, project).await;
    let (frame, second) = new_frame(&store, project).await;
    let (_, third) = new_frame(&store, project).await;
    claim(&store).await;
    let before = claim(&store).await;
    // The server crashed; the next one starts.
    let store = database.open().await;
    let interrupted = store.interrupted_tasks().await.expect("two");
    assert_eq!(interrupted.iter().map(|open| open.task.id).collect::<Vec<_>>(), [first.id, second.id]);
    assert_eq!(store.open_tasks().await.expect("the queue").len(), 3);
    for open in &interrupted {
        let again = store.requeue_task(open.task.id).await.expect("queued again");
        assert_eq!((again.task.status, again.task.attempt, &again.key), (TaskStatus::Queued, 1, &open.key));
    }
    assert_eq!(order(&store).await, [first.id, second.id, third.id]);
    assert_eq!(store.get_frame(frame.id).await.expect("it").status, FrameStatus::Queued);
    assert_eq!(conflict(store.requeue_task(first.id).await), format!("task {} is queued, not running", first.id));
    assert_eq!(claim(&store).await.task.id, first.id);
    let again = claim(&store).await;
    assert_eq!((again.task.id, again.task.attempt, again.take_id), (second.id, 2, before.take_id));
    // A late worker of the old attempt changes nothing.
    conflict(store.complete_task(second.id, 1, "late".into(), 30).await);
    finish(&store, &again).await;
    assert_eq!(store.interrupted_tasks().await.expect("one").len(), 1);
    assert_eq!(missing(store.requeue_task(TaskId(999)).await), "task 999");
}

async fn ends_without_a_stop_are_counted_until_a_person_tries_again(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (_, heavy) = new_frame(&store, project).await;
    let (_, light) = new_frame(&store, project).await;
    assert_eq!(claim(&store).await.unclean_ends, 0);
    // Stopped, then ended.
    assert_eq!(store.requeue_task(heavy.id).await.expect("queued").unclean_ends, 0);
    claim(&store).await;
    assert_eq!(store.requeue_after_unclean_end(heavy.id).await.expect("queued").unclean_ends, 1);
    // From now on it runs alone: a worker beside others gets neither it nor a later task.
    assert_eq!(store.claim_beside_others(true).await.expect("answered"), Claim::Alone);
    let alone = claim(&store).await;
    assert_eq!((alone.task.id, alone.unclean_ends), (heavy.id, 1));
    let Claim::Task(beside) = store.claim_beside_others(true).await.expect("answered") else { panic!("one waits") };
    assert_eq!((beside.task.id, beside.unclean_ends), (light.id, 0));
    assert_eq!(store.claim_beside_others(true).await.expect("answered"), Claim::Nothing);
    assert_eq!(store.requeue_after_unclean_end(heavy.id).await.expect("queued").unclean_ends, 2);
    let failed = End::Failed("too large".into());
    store.end_task(heavy.id, &[TaskStatus::Queued], failed).await.expect("failed");
    store.retry_task(heavy.id, "0123456789abcdef-again".into()).await.expect("queued");
    assert_eq!(claim(&store).await.unclean_ends, 0);
    assert_eq!(missing(store.requeue_after_unclean_end(TaskId(999)).await), "task 999");
}

async fn files_are_listed_for_every_row(database: &Database) {
    let store = database.open().await;
    let (project, gone) = (create(&store, "Storm").await.id, create(&store, "gone").await.id);
    let (kept, deleted) = (ready_frame(&store, project).await, ready_frame(&store, project).await);
    let (_, hidden) = new_frame(&store, gone).await;
    let (_, cancelled) = new_frame(&store, project).await;
    store.delete_frame(deleted.id).await.expect("deleted");
    store.delete_project(gone).await.expect("deleted");
    cancel(&store, &cancelled).await;
    let files = store.take_files().await.expect("files");
    let told: Vec<_> = files
        .iter()
        .map(|file| (protocol::media_path(&file.key), file.take_id, file.finished, file.task_id, file.status))
        .collect();
    let done = |frame: protocol::Frame| (frame.path, frame.take_id, true, frame.task_id, TaskStatus::Completed);
    let hidden_take = hidden.take_id.expect("a take");
    let waits = (hidden.preview_path.expect("a path"), hidden_take, false, hidden.id, TaskStatus::Queued);
    assert_eq!(told, [done(kept), done(deleted), waits]);
}

async fn a_take_without_its_file_is_forgotten(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let first = ready_frame(&store, project).await;
    generate(&store, project, Some(first.id), 1).await;
    let second = finish(&store, &claim(&store).await).await.frame.expect("the same frame");
    let (_, waiting) = new_frame(&store, project).await;
    conflict(store.forget_take(waiting.take_id.expect("a take")).await);
    let forgotten = store.forget_take(second.take_id).await.expect("forgotten");
    assert_eq!(forgotten.frame.expect("still there").take_id, first.take_id);
    let was = store.get_frame(first.id).await.expect("it");
    let forgotten = store.forget_take(first.take_id).await.expect("forgotten");
    assert_eq!((forgotten.frame, forgotten.frame_removed), (None, Some(was)));
    assert_eq!(timeline(&store, project).await, [waiting.frame_id]);
    assert_eq!(missing(store.forget_take(first.take_id).await), format!("take {}", first.take_id));
    let filter = TaskFilter { status: Some(TaskStatus::Completed), project_id: None };
    let tasks = store.first_tasks(filter).await.expect("the tasks stay");
    assert!(tasks.len() == 2 && tasks.iter().all(|task| task.take_id.is_none() && task.step == 30));
}

async fn settings_are_kept(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.setting("preview").await.expect("answered"), None);
    for value in ["{\"method\": \"龍\"}", "", "'; DROP TABLE settings; --"] {
        store.put_setting("preview", value).await.expect("put");
        assert_eq!(store.setting("preview").await.expect("answered").as_deref(), Some(value));
    }
    store.put_setting("other", "1").await.expect("put");
    store.close().await.expect("closed");
    let store = database.open().await;
    assert_eq!(store.setting("preview").await.expect("answered").as_deref(), Some("'; DROP TABLE settings; --"));
    assert_eq!(store.setting("other").await.expect("answered").as_deref(), Some("1"));
}

async fn overnight_tasks_are_last(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    assert!(!store.others_wait().await.expect("answered"));
    let night = NewTasks { overnight: true, ..request(project, None, 2) };
    let night: Vec<TaskId> =
        store.create_tasks(night).await.expect("created").tasks.iter().map(|task| task.id).collect();
    assert!(!store.others_wait().await.expect("answered"), "only overnight ones wait");
    let (_, day) = new_frame(&store, project).await;
    assert!(store.others_wait().await.expect("answered"));
    assert_eq!(order(&store).await, [day.id, night[0], night[1]]);
    assert_eq!(claim(&store).await.task.id, day.id);
    assert!(!store.others_wait().await.expect("answered"));
    assert_eq!(store.claim_beside_others(false).await.expect("answered"), Claim::Nothing);
    let open = claim(&store).await;
    assert_eq!((open.task.id, open.task.overnight), (night[0], true));
    conflict(store.step_aside(night[0], 2, 5, false).await);
    let aside = store.step_aside(night[0], 1, 5, true).await.expect("queued");
    assert_eq!((aside.task.status, aside.done_steps, aside.keeps), (TaskStatus::Queued, 5, true));
    let again = claim(&store).await;
    assert_eq!((again.task.id, again.task.attempt, again.done_steps), (night[0], 2, 5), "at its old place");
    store.set_queue_paused(true).await.expect("paused");
    new_frame(&store, project).await;
    // On SQLite the workers do not ask while the queue is paused.
    assert_eq!(store.others_wait().await.expect("answered"), database.is_sqlite());
}
