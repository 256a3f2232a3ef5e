//! Guarantees for frames and their takes.

use crate::database::{Database, create};
use crate::on_both;
use crate::studio::{
    cancel, claim, conflict, finish, finished_take, generate, key, missing, new_frame, ready_frame, timeline,
};
use protocol::{BinKind, FrameId, FramePatch, FrameStatus, ProjectId, TakeId, TaskStatus};
use std::time::Duration;
use store::{End, Store, StoreError};

on_both![
    frames_are_moved_and_answered,
    a_patch_changes_what_it_names,
    a_frame_shows_what_the_rule_says_throughout_its_life,
    a_deleted_frame_comes_back_where_it_was,
    a_frame_goes_with_its_only_task_and_comes_back_with_it,
    a_frame_that_a_person_deleted_does_not_come_back_by_itself,
    takes_are_deleted_but_not_the_last_one,
    deleted_takes_are_restored_and_purged,
    a_purge_takes_old_deleted_frames_only,
    a_copy_follows_its_original,
    a_picture_is_imported_where_it_is_asked_for,
    nothing_is_imported_into_a_project_that_is_not_there,
    a_large_timeline_is_read_at_once,
];

fn to(position: u32) -> FramePatch {
    FramePatch { position: Some(position), ..FramePatch::default() }
}

async fn frames_are_moved_and_answered(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let made = generate(&store, project, None, 1).await;
    let a = made.frame.expect("a frame").id;
    let (b, c, d) = (
        new_frame(&store, project).await.0.id,
        new_frame(&store, project).await.0.id,
        new_frame(&store, project).await.0.id,
    );
    let moved = store.update_frame(d, to(1)).await.expect("moved");
    assert_eq!(moved.iter().map(|frame| (frame.id, frame.position)).collect::<Vec<_>>(), [(d, 1), (b, 2), (c, 3)]);
    assert_eq!(timeline(&store, project).await, [a, d, b, c]);
    let moved = store.update_frame(a, to(u32::MAX)).await.expect("past the end is the end");
    assert_eq!(moved.len(), 4);
    assert_eq!(timeline(&store, project).await, [d, b, c, a]);
    store.update_frame(c, to(0)).await.expect("to the front");
    assert_eq!(timeline(&store, project).await, [c, d, b, a]);
    let same = store.update_frame(b, to(2)).await.expect("where it is");
    assert_eq!(same.iter().map(|frame| frame.id).collect::<Vec<_>>(), [b]);
    assert_eq!(timeline(&store, project).await, [c, d, b, a]);
    // Rows with equal positions (a database edited by hand) are ordered by id.
    database.execute("UPDATE frames SET position = 7").await;
    assert_eq!(timeline(&store, project).await, [a, b, c, d]);
    store.update_frame(d, to(1)).await.expect("between two of them");
    assert_eq!(timeline(&store, project).await, [a, d, b, c]);
}

async fn a_patch_changes_what_it_names(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (frame, other) = (ready_frame(&store, project).await, ready_frame(&store, project).await);
    let patch = FramePatch { duration: Some(10_000), note: Some("龍 'n' \"roses\"".into()), ..FramePatch::default() };
    let changed = store.update_frame(frame.id, patch).await.expect("changed");
    let expected = protocol::Frame { duration: 10_000, note: "龍 'n' \"roses\"".into(), ..frame.clone() };
    assert_eq!(changed, std::slice::from_ref(&expected));
    assert_eq!(store.update_frame(frame.id, FramePatch::default()).await.expect("nothing"), [expected]);
    // An invalid take changes nothing, not even the valid fields beside it.
    for take in [other.take_id, TakeId(999)] {
        let patch = FramePatch { duration: Some(2), take_id: Some(take), ..FramePatch::default() };
        let result = store.update_frame(frame.id, patch).await;
        assert!(matches!(result, Err(StoreError::Invalid { field: "take_id", .. })), "{result:?}");
    }
    assert_eq!(store.get_frame(frame.id).await.expect("as before").duration, 10_000);
    assert_eq!(missing(store.update_frame(FrameId(999), FramePatch::default()).await), "frame 999");
    assert_eq!(store.get_frame(other.id).await.expect("the other"), other);
}

async fn a_frame_shows_what_the_rule_says_throughout_its_life(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let made = generate(&store, project, None, 2).await;
    let (id, takes) = (made.frame.expect("a frame").id, made.accepted);
    let shows = async |take: TakeId, status| {
        let frame = store.get_frame(id).await.expect("a live frame");
        assert_eq!((frame.take_id, frame.status), (take, status), "{frame:?}");
        frame
    };
    shows(takes[0].take_id, FrameStatus::Queued).await;
    let first = claim(&store).await;
    shows(takes[0].take_id, FrameStatus::Running).await;
    let second = claim(&store).await;
    shows(takes[1].take_id, FrameStatus::Running).await;
    // The older one finishes: it is selected, but the newer still runs.
    let ended = finish(&store, &first).await;
    assert_eq!((ended.task.status, ended.task.step), (TaskStatus::Completed, 30));
    let frame = shows(takes[1].take_id, FrameStatus::Running).await;
    assert_eq!((frame.selected_take_id, frame.etag), (Some(takes[0].take_id), None));
    let ended = store.complete_task(second.task.id, 1, "kept".into(), 12).await.expect("kept at step 12");
    assert_eq!((ended.task.step, ended.task.total_steps), (12, 30));
    let frame = shows(takes[1].take_id, FrameStatus::Ready).await;
    assert_eq!((frame.etag.as_deref(), Some(&frame)), (Some("kept"), ended.frame.as_ref()));
    assert_eq!(frame.path, takes[1].preview_path, "the address is what it was");
    // A queued take is not shown while another is selected. A failed one changes nothing.
    let more = generate(&store, project, Some(id), 1).await;
    shows(takes[1].take_id, FrameStatus::Ready).await;
    claim(&store).await;
    shows(more.accepted[0].take_id, FrameStatus::Running).await;
    let error = End::Failed("the device\0 was lost".into());
    let ended = store.end_task(more.tasks[0].id, &[TaskStatus::Running], error).await.expect("failed");
    assert_eq!(ended.task.error.as_deref(), Some("the device\u{fffd} was lost"));
    assert_eq!((ended.frame_removed, ended.frame), (None, Some(shows(takes[1].take_id, FrameStatus::Ready).await)));
    let patch = FramePatch { take_id: Some(takes[0].take_id), ..FramePatch::default() };
    store.update_frame(id, patch).await.expect("an earlier take");
    shows(takes[0].take_id, FrameStatus::Ready).await;
}

async fn a_deleted_frame_comes_back_where_it_was(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (a, b, c) =
        (ready_frame(&store, project).await, ready_frame(&store, project).await, ready_frame(&store, project).await);
    let running = generate(&store, project, Some(b.id), 2).await.tasks;
    claim(&store).await;
    let before = store.get_frame(b.id).await.expect("it");
    let deleted = store.delete_frame(b.id).await.expect("deleted");
    assert_eq!(deleted.frame, before);
    assert_eq!(deleted.open_tasks, [running[0].id, running[1].id]);
    assert_eq!(timeline(&store, project).await, [a.id, c.id]);
    assert_eq!(missing(store.get_frame(b.id).await), format!("frame {}", b.id));
    assert_eq!(missing(store.list_takes(b.id).await), format!("frame {}", b.id));
    assert_eq!(missing(store.get_take(b.take_id).await), format!("take {}", b.take_id));
    assert_eq!(missing(store.delete_frame(b.id).await), format!("frame {}", b.id));
    assert_eq!(store.claim_task().await.expect("answered"), None, "nobody works for a deleted frame");
    store.update_frame(c.id, to(0)).await.expect("the others move");
    assert_eq!(store.restore_frame(b.id).await.expect("back").status, FrameStatus::Running);
    assert_eq!(timeline(&store, project).await, [c.id, a.id, b.id]);
    assert_eq!(claim(&store).await.task.id, running[1].id);
    assert_eq!(store.restore_frame(b.id).await.expect("it is not deleted").position, 2);
    store.delete_project(project).await.expect("deleted");
    assert_eq!(missing(store.restore_frame(b.id).await), format!("frame {}", b.id));
    assert_eq!(missing(store.list_frames(project).await), format!("project {project}"));
}

async fn a_frame_goes_with_its_only_task_and_comes_back_with_it(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (before, made) = (ready_frame(&store, project).await, generate(&store, project, None, 2).await);
    let frame = made.frame.expect("a frame");
    let after = ready_after(&store, project, &made.tasks).await;
    assert_eq!(timeline(&store, project).await, [before.id, frame.id, after]);
    let ended = cancel(&store, &made.tasks[0]).await;
    assert_eq!(ended.frame_removed, None, "the other one still waits");
    assert_eq!(ended.task.preview_path, None);
    let was = store.get_frame(frame.id).await.expect("still there");
    let ended = cancel(&store, &made.tasks[1]).await;
    assert_eq!((ended.frame, ended.frame_removed), (None, Some(was)));
    assert_eq!(timeline(&store, project).await, [before.id, after]);
    assert_eq!(missing(store.restore_frame(frame.id).await), format!("frame {}", frame.id));
    let open = [TaskStatus::Queued, TaskStatus::Running];
    let again = store.end_task(made.tasks[1].id, &open, End::Cancelled).await;
    assert_eq!(conflict(again), format!("task {} is cancelled, not queued or running", made.tasks[1].id));
    let key = key();
    let retried = store.retry_task(made.tasks[1].id, key.clone()).await.expect("queued again");
    assert!(retried.frame_is_new);
    assert_eq!(retried.tasks[0].preview_path, Some(protocol::media_path(&key)));
    assert_ne!(retried.accepted[0].take_id, made.accepted[1].take_id, "an id is never used twice");
    assert_eq!(timeline(&store, project).await, [before.id, frame.id, after]);
    let twice = store.retry_task(made.tasks[1].id, crate::studio::key()).await;
    assert_eq!(conflict(twice), format!("task {} is queued, not failed or cancelled", made.tasks[1].id));
    let claimed = claim(&store).await;
    assert_eq!((claimed.task.id, claimed.task.attempt), (made.tasks[1].id, 1));
    let stale = store.complete_task(claimed.task.id, 0, "e".into(), 1).await;
    assert_eq!(conflict(stale), format!("task {} is running (attempt 1), not running as attempt 0", claimed.task.id));
    assert_eq!(finish(&store, &claimed).await.frame.expect("it").status, FrameStatus::Ready);
}

/// A finished frame at the end, made while those tasks wait.
async fn ready_after(store: &Store, project: ProjectId, waiting: &[protocol::Task]) -> FrameId {
    let (frame, task) = new_frame(store, project).await;
    let ids: Vec<_> = std::iter::once(task.id).chain(waiting.iter().map(|task| task.id)).collect();
    store.reorder_queue(&ids).await.expect("first");
    finish(store, &claim(store).await).await;
    frame.id
}

async fn a_frame_that_a_person_deleted_does_not_come_back_by_itself(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (frame, task) = new_frame(&store, project).await;
    store.delete_frame(frame.id).await.expect("deleted");
    let ended = cancel(&store, &task).await;
    assert_eq!((ended.frame, ended.frame_removed), (None, None));
    assert!(conflict(store.retry_task(task.id, key()).await).contains("deleted"));
    assert_eq!(missing(store.restore_frame(frame.id).await), format!("frame {}", frame.id));
    // A frame whose take finished while it was being deleted is restored with its picture.
    let (frame, _) = new_frame(&store, project).await;
    let running = claim(&store).await;
    store.delete_frame(frame.id).await.expect("deleted");
    assert_eq!(finish(&store, &running).await.frame, None);
    let back = store.restore_frame(frame.id).await.expect("back");
    assert_eq!((back.status, back.take_id), (FrameStatus::Ready, running.take_id));
}

async fn takes_are_deleted_but_not_the_last_one(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let first = ready_frame(&store, project).await;
    let id = first.id;
    assert!(conflict(store.delete_take(first.take_id).await).contains("only take"));
    let made = generate(&store, project, Some(id), 3).await;
    // Finished in the order 1, 0: the newest is not the one of the largest id.
    let (zero, one) = (claim(&store).await, claim(&store).await);
    finish(&store, &one).await;
    finish(&store, &zero).await;
    let waiting = made.accepted[2].take_id;
    assert!(conflict(store.delete_take(waiting).await).contains("cancel it first"));
    let deleted = store.delete_take(zero.take_id).await.expect("the selected one");
    assert_eq!(deleted.take_id, one.take_id);
    let deleted = store.delete_take(first.take_id).await.expect("one that is not shown");
    assert_eq!(deleted.take_id, one.take_id);
    let listed = store.list_takes(id).await.expect("takes");
    assert_eq!(
        listed.iter().map(|take| (take.id, take.selected)).collect::<Vec<_>>(),
        [(waiting, false), (one.take_id, true)]
    );
    assert_eq!(store.get_task(zero.task.id).await.expect("stays").take_id, None);
    let deleted = store.delete_take(one.take_id).await.expect("the waiting one is left to show");
    assert_eq!((deleted.take_id, deleted.status), (waiting, FrameStatus::Queued));
    assert_eq!(missing(store.delete_take(one.take_id).await), format!("take {}", one.take_id));
    let ended = cancel(&store, &made.tasks[2]).await;
    assert_eq!(ended.frame_removed.expect("nothing is left").id, id);
}

async fn deleted_takes_are_restored_and_purged(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let first = ready_frame(&store, project).await;
    let made = generate(&store, project, Some(first.id), 2).await;
    let second = claim(&store).await;
    finish(&store, &second).await;
    store.delete_take(first.take_id).await.expect("one that is not shown");
    assert_eq!(missing(store.get_take(first.take_id).await), format!("take {}", first.take_id));
    let chosen = FramePatch { take_id: Some(first.take_id), ..FramePatch::default() };
    assert!(matches!(store.update_frame(first.id, chosen).await, Err(StoreError::Invalid { .. })));
    let bin = store.get_bin(project).await.expect("the bin");
    let item = bin.items.first().expect("the take");
    assert_eq!(
        (item.kind, item.take_id, item.path.as_ref(), item.prompt.as_str()),
        (BinKind::Take, Some(first.take_id), Some(&first.path), "a storm over \"龍\" 🔥")
    );
    assert_eq!(
        store.restore_take(first.take_id).await.expect("restored").take_id,
        second.take_id,
        "the other stays selected"
    );
    assert_eq!(store.restore_take(first.take_id).await.expect("as it is").id, first.id);
    // Of a frame that lost its last picture with a cancelled task, the take brings the frame back.
    store.delete_take(first.take_id).await.expect("deleted");
    store.delete_take(second.take_id).await.expect("the waiting one is left to show");
    assert!(cancel(&store, &made.tasks[1]).await.frame_removed.is_some());
    assert_eq!(kinds(&store, project).await, [BinKind::Task, BinKind::Take, BinKind::Take]);
    let back = store.restore_take(second.take_id).await.expect("restored");
    assert_eq!((back.id, back.selected_take_id), (first.id, Some(second.take_id)));
    assert_eq!(timeline(&store, project).await, [first.id]);
    // The bin of a frame that a user deleted is the frame.
    store.delete_frame(first.id).await.expect("deleted");
    let why = conflict(store.restore_take(first.take_id).await);
    assert!(why.contains("restore it first"), "{why}");
    assert_eq!(kinds(&store, project).await, [BinKind::Frame]);
    store.restore_frame(first.id).await.expect("restored");
    assert_eq!(store.purge_takes(Duration::from_secs(60)).await.expect("none is that old"), [""; 0]);
    database.execute("UPDATE takes SET deleted_at = deleted_at - 60000 WHERE deleted_at IS NOT NULL").await;
    let keys = store.purge_takes(Duration::from_secs(30)).await.expect("purged");
    assert_eq!(keys.iter().map(|key| protocol::media_path(key)).collect::<Vec<_>>(), [first.path]);
    assert_eq!(missing(store.restore_take(first.take_id).await), format!("take {}", first.take_id));
    store.retry_task(made.tasks[1].id, key()).await.expect("queued again");
    assert_eq!(store.get_bin(project).await.expect("the bin").total, 0);
}

/// The kinds of what is in the bin, newest first.
async fn kinds(store: &Store, project: ProjectId) -> Vec<BinKind> {
    store.get_bin(project).await.expect("the bin").items.iter().map(|item| item.kind).collect()
}

async fn a_purge_takes_old_deleted_frames_only(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (old, young, living) =
        (ready_frame(&store, project).await, ready_frame(&store, project).await, ready_frame(&store, project).await);
    let (working, _) = new_frame(&store, project).await;
    let task = claim(&store).await;
    for id in [old.id, young.id, working.id] {
        store.delete_frame(id).await.expect("deleted");
    }
    let minute_ms = 60_000;
    let aged =
        format!("UPDATE frames SET deleted_at = deleted_at - {minute_ms} WHERE id IN ({}, {})", old.id, working.id);
    database.execute(&aged).await;
    let half_a_minute = Duration::from_secs(30);
    let keys = store.purge_frames(half_a_minute).await.expect("purged");
    assert_eq!(keys.iter().map(|key| protocol::media_path(key)).collect::<Vec<_>>(), [old.path]);
    assert_eq!(missing(store.restore_frame(old.id).await), format!("frame {}", old.id));
    assert_eq!(store.purge_frames(Duration::MAX).await.expect("none is that old"), [""; 0]);
    store.restore_frame(young.id).await.expect("too young");
    assert_eq!(timeline(&store, project).await, [young.id, living.id]);
    assert_eq!(store.purge_frames(half_a_minute).await.expect("a worker is at it"), [""; 0]);
    let ended = cancel(&store, &task.task).await;
    assert_eq!(ended.key, task.key);
    store.purge_frames(half_a_minute).await.expect("now it goes");
    assert_eq!(missing(store.get_task(task.task.id).await), format!("task {}", task.task.id));
}

async fn a_copy_follows_its_original(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (a, b) = (ready_frame(&store, project).await, ready_frame(&store, project).await);
    let patch = FramePatch { duration: Some(5), note: Some("twice".into()), ..FramePatch::default() };
    let a = store.update_frame(a.id, patch).await.expect("changed").remove(0);
    let key = key();
    let changed = store.duplicate_frame(a.id, a.take_id, key.clone()).await.expect("copied");
    let copy = changed[0].clone();
    assert_eq!(timeline(&store, project).await, [a.id, copy.id, b.id]);
    assert_eq!(changed.iter().map(|frame| frame.id).collect::<Vec<_>>(), [copy.id, b.id]);
    assert_eq!((copy.duration, copy.note.as_str(), copy.status), (5, "twice", FrameStatus::Ready));
    assert_eq!((copy.path.clone(), copy.etag.clone()), (protocol::media_path(&key), a.etag.clone()));
    let (from, to) =
        (store.get_task(a.task_id).await.expect("a task"), store.get_task(copy.task_id).await.expect("its copy"));
    assert_eq!((&to.parameters, to.seed, to.status, to.step), (&from.parameters, from.seed, from.status, from.step));
    let (waiting, _) = new_frame(&store, project).await;
    let result = store.duplicate_frame(waiting.id, waiting.take_id, crate::studio::key()).await;
    assert!(matches!(result, Err(StoreError::Invalid { .. })), "{result:?}");
    assert_eq!(timeline(&store, project).await.len(), 4);
}

async fn a_picture_is_imported_where_it_is_asked_for(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let take = finished_take();
    let made = store.import_frame(project, Some(7), take.clone()).await.expect("the first").remove(0);
    assert_eq!((made.position, made.duration, made.status), (0, 1, FrameStatus::Ready));
    assert_eq!((made.width, made.height, made.selected_take_id), (64, 128, Some(made.take_id)));
    assert_eq!((made.path.clone(), made.etag.clone()), (protocol::media_path(&take.take.key), Some(take.picture.etag)));
    let task = store.get_task(made.task_id).await.expect("its task");
    assert_eq!((task.status, task.attempt, task.step, task.total_steps), (TaskStatus::Completed, 1, 30, 30));
    assert_eq!((&task.parameters, task.seed, task.take_id), (&take.take.parameters, 100, Some(made.take_id)));
    assert!(task.started_at.is_some() && task.finished_at.is_some() && task.error.is_none(), "{task:?}");
    let a = made.id;
    let b = store.import_frame(project, None, finished_take()).await.expect("at the end").remove(0).id;
    let changed = store.import_frame(project, Some(1), finished_take()).await.expect("between them");
    let c = changed[0].id;
    assert_eq!(changed.iter().map(|frame| (frame.id, frame.position)).collect::<Vec<_>>(), [(c, 1), (b, 2)]);
    assert_eq!(timeline(&store, project).await, [a, c, b]);
    let first = store.import_frame(project, Some(0), finished_take()).await.expect("at the front");
    let d = first[0].id;
    assert_eq!(first.iter().map(|frame| frame.id).collect::<Vec<_>>(), [d, a, c, b]);
    let last = store.import_frame(project, Some(u32::MAX), finished_take()).await.expect("past the end is the end");
    assert_eq!((last.len(), last[0].position), (1, 4));
    assert_eq!(timeline(&store, project).await, [d, a, c, b, last[0].id]);
    // It is completed: it is neither claimed, retried nor recovered.
    assert_eq!(store.claim_task().await.expect("answered"), None);
    assert!(store.interrupted_tasks().await.expect("answered").is_empty());
    let again = store.retry_task(made.task_id, key()).await;
    assert_eq!(conflict(again), format!("task {} is completed, not failed or cancelled", made.task_id));
    // Its frame can get more takes, and can be copied, deleted and restored.
    let more = generate(&store, project, Some(a), 1).await;
    finish(&store, &claim(&store).await).await;
    assert_eq!(store.get_frame(a).await.expect("it").take_id, more.accepted[0].take_id);
    let copy = store.duplicate_frame(c, changed[0].take_id, key()).await.expect("copied");
    assert_eq!(copy[0].etag, changed[0].etag);
    store.delete_frame(c).await.expect("deleted");
    assert_eq!(store.restore_frame(c).await.expect("back").take_id, changed[0].take_id);
    // A frame after deleted frames is still after them when they are restored.
    store.delete_frame(last[0].id).await.expect("deleted");
    let end = store.import_frame(project, None, finished_take()).await.expect("at the end").remove(0).id;
    store.restore_frame(last[0].id).await.expect("back");
    assert_eq!(timeline(&store, project).await, [d, a, c, copy[0].id, b, last[0].id, end]);
}

async fn nothing_is_imported_into_a_project_that_is_not_there(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    store.delete_project(project).await.expect("deleted");
    for id in [project, ProjectId(999)] {
        for position in [None, Some(0)] {
            let result = store.import_frame(id, position, finished_take()).await;
            assert_eq!(missing(result), format!("project {id}"));
        }
    }
    for table in ["frames", "tasks", "takes"] {
        assert_eq!(database.number(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
}

async fn a_large_timeline_is_read_at_once(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    for _ in 0..2 {
        ready_frame(&store, project).await;
    }
    let first = database.number("SELECT max(id) FROM frames").await;
    // 600 frames with three finished takes each.
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ";
    let frames = format!(
        "{numbers} 600) INSERT INTO frames (project_id, position, created_at) SELECT {project}, 100 + i, 0 FROM n"
    );
    let tasks = format!(
        "{numbers} 3) INSERT INTO tasks (project_id, frame_id, status, attempt, parameters, seed, queue_order, created_at, \
         finished_at) SELECT {project}, f.id, 'completed', 1, '{{}}', i, 0, 0, 1 FROM frames f, n WHERE f.id > {first}"
    );
    let takes = format!(
        "INSERT INTO takes (project_id, frame_id, task_id, key, width, height, etag, finished_step, finished_at, created_at) \
         SELECT {project}, frame_id, id, 'a-long-enough-key-' || id, 64, 64, 'e', 1, 1, 0 FROM tasks WHERE frame_id > {first}"
    );
    let select = format!(
        "UPDATE frames SET selected_take_id = (SELECT min(id) FROM takes WHERE frame_id = frames.id) WHERE id > {first}"
    );
    for sql in [frames, tasks, takes, select] {
        database.execute(&sql).await;
    }
    let started = std::time::Instant::now();
    let read = store.list_frames(project).await.expect("the timeline");
    let took = started.elapsed();
    assert_eq!(read.len(), 602);
    assert!(read.iter().enumerate().all(|(rank, frame)| frame.position as usize == rank));
    assert!(read.iter().all(|frame| Some(frame.take_id) == frame.selected_take_id));
    // A query for each frame takes seconds on a busy machine; two take milliseconds.
    assert!(took < Duration::from_secs(1), "{took:?}");
}
