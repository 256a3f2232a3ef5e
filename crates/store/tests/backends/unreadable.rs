//! An unreadable row hides no other row, fails no call, and is reported.

use crate::database::{Database, create, names};
use crate::on_both;
use crate::studio::{claim, finish, finished_take, generate, new_frame, ready_frame};
use protocol::{TaskStatus, media_path};
use store::{Idempotency, StoreError, TaskFilter, rows::LibraryFileRow};

on_both![
    a_bad_project_hides_no_other,
    a_bad_task_is_passed_over_by_lists_and_workers,
    a_task_that_cannot_be_started_is_passed_over,
    a_bad_task_does_not_end_a_part_of_the_list,
    a_bad_take_hides_neither_frames_nor_files,
    a_bad_setting_and_a_bad_answer_count_as_none,
    a_bad_library_file_is_listed,
    times_go_on_where_the_clock_is_set_back,
];

/// The bad rows, as `table id`.
async fn unreadable(database: &Database) -> Vec<String> {
    let rows = database.open().await.unreadable_rows().await.expect("a list");
    assert!(rows.iter().all(|row| !row.why.is_empty()), "{rows:?}");
    rows.into_iter().map(|row| format!("{} {}", row.table, row.row)).collect()
}

async fn a_bad_project_hides_no_other(database: &Database) {
    let store = database.open().await;
    let mut ids = Vec::new();
    for name in ["negative", "timeless", "null", "good"] {
        ids.push(create(&store, name).await.id);
    }
    assert_eq!(unreadable(database).await, Vec::<String>::new());
    let set = |what: &str, id| format!("UPDATE projects SET {what} WHERE id = {id}");
    database.force(("projects", "width"), &set("width = -8", ids[0])).await;
    database.force(("projects", "created_at"), &set("created_at = 9223372036854775807", ids[1])).await;
    assert_eq!(names(&store).await, ["good", "null"]);
    // diesel fails the whole result because of this row.
    database.force(("projects", "name"), &set("name = NULL", ids[2])).await;
    assert_eq!(names(&store).await, ["good"]);
    let error = store.get_project(ids[0]).await.expect_err("it has no width");
    assert!(error.is_unreadable() && error.to_string().contains("projects.width is -8"), "{error}");
    assert!(store.get_project(ids[2]).await.expect_err("it has no name").is_unreadable());
    let bad: Vec<String> = ids[..3].iter().map(|id| format!("projects {id}")).collect();
    assert_eq!(unreadable(database).await, bad);
    assert_eq!(names(&database.open().await).await, ["good"], "the next start is as good");
    // A page is short only at the end of the list: bad rows between good ones do not end it.
    create(&store, "newest").await;
    let oldest = create(&store, "oldest").await.id;
    database.execute(&format!("UPDATE projects SET updated_at = 1 WHERE id = {oldest}")).await;
    for (most, expected) in [(1, &["newest"][..]), (2, &["newest", "good"]), (3, &["newest", "good", "oldest"])] {
        let part = store.list_projects(None, most).await.expect("a part");
        assert_eq!(part.iter().map(|project| project.name.as_str()).collect::<Vec<_>>(), expected);
    }
    assert_eq!(store.list_projects(None, i64::MAX).await.expect("all").len(), 3);
}

async fn a_bad_task_is_passed_over_by_lists_and_workers(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (_, paused) = new_frame(&store, project).await;
    let (_, garbled) = new_frame(&store, project).await;
    let (_, null) = new_frame(&store, project).await;
    let (_, good) = new_frame(&store, project).await;
    let (_, last) = new_frame(&store, project).await;
    let set = |what: &str, id| format!("UPDATE tasks SET {what} WHERE id = {id}");
    database.force(("tasks", "status"), &set("status = 'paused'", paused.id)).await;
    database.force(("tasks", "parameters"), &set("parameters = '{\"prompt\": 7'", garbled.id)).await;
    let filter = TaskFilter { status: None, project_id: Some(project) };
    let listed =
        async || store.first_tasks(filter).await.expect("a list").into_iter().map(|task| task.id).collect::<Vec<_>>();
    let queue = async || store.get_queue().await.expect("a queue").into_iter().map(|task| task.id).collect::<Vec<_>>();
    assert_eq!((listed().await, queue().await), (vec![last.id, good.id, null.id], vec![null.id, good.id, last.id]));
    database.force(("tasks", "seed"), &set("seed = NULL", null.id)).await;
    assert_eq!((listed().await, queue().await), (vec![last.id, good.id], vec![good.id, last.id]));
    let bad = [&paused, &garbled, &null].map(|task| format!("tasks {}", task.id));
    assert_eq!(unreadable(database).await, bad);

    // Workers take what can be read, in its order. One whose row can be read, and its parameters not, is marked failed;
    // the others stay as they were.
    let first = claim(&store).await;
    assert_eq!(first.task.id, good.id);
    finish(&store, &first).await;
    assert_eq!(claim(&store).await.task.id, last.id);
    assert_eq!(store.claim_task().await.expect("an answer"), None);
    let waiting = "SELECT count(*) FROM tasks WHERE status IN ('queued', 'paused') AND attempt = 0";
    assert_eq!(database.number(waiting).await, 2);
    // A start finds the running task, but not the unreadable one with the status `running`.
    let running = "status = 'running', started_at = 1, attempt = 1, finished_at = NULL, error = NULL";
    database.execute(&set(running, garbled.id)).await;
    let interrupted = store.interrupted_tasks().await.expect("a list");
    assert_eq!(interrupted.iter().map(|open| open.task.id).collect::<Vec<_>>(), [last.id]);
    assert_eq!(store.reorder_queue(&[]).await.expect("a queue").len(), 1);
}

/// The database refuses to start such a task. The tasks after it would wait for ever.
async fn a_task_that_cannot_be_started_is_passed_over(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(new_frame(&store, project).await.1.id);
    }
    for (column, what, id) in [
        ("attempt", "attempt = -1", ids[0]),
        ("attempt", "attempt = 2147483647", ids[1]),
        ("finished_at", "finished_at = 5", ids[2]),
    ] {
        database.force(("tasks", column), &format!("UPDATE tasks SET {what} WHERE id = {id}")).await;
    }
    assert_eq!(claim(&store).await.task.id, ids[3]);
    assert_eq!(store.claim_task().await.expect("an answer"), None);
}

/// A client takes a short page for the last one.
async fn a_bad_task_does_not_end_a_part_of_the_list(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(new_frame(&store, project).await.1.id);
    }
    let set = |what: &str, id| format!("UPDATE tasks SET {what} WHERE id = {id}");
    database.force(("tasks", "parameters"), &set("parameters = '['", ids[1])).await;
    let part = async |most| {
        let tasks = store.list_tasks(TaskFilter::default(), None, most).await.expect("a part");
        tasks.into_iter().map(|task| task.id).collect::<Vec<_>>()
    };
    assert_eq!((part(2).await, part(3).await), (vec![ids[3], ids[2]], vec![ids[3], ids[2], ids[0]]));
    database.force(("tasks", "seed"), &set("seed = NULL", ids[2])).await;
    assert_eq!((part(2).await, part(9).await), (vec![ids[3], ids[0]], vec![ids[3], ids[0]]));
}

async fn a_bad_take_hides_neither_frames_nor_files(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (narrow, null, good) =
        (ready_frame(&store, project).await, ready_frame(&store, project).await, ready_frame(&store, project).await);
    generate(&store, project, Some(good.id), 1).await;
    let other = finish(&store, &claim(&store).await).await;
    database.force(("takes", "width"), &format!("UPDATE takes SET width = -8 WHERE id = {}", narrow.take_id)).await;
    let shown =
        async || store.list_frames(project).await.expect("the timeline").iter().map(|f| f.id).collect::<Vec<_>>();
    assert_eq!(shown().await, [null.id, good.id]);
    database.force(("takes", "height"), &format!("UPDATE takes SET height = NULL WHERE id = {}", null.take_id)).await;
    assert_eq!(shown().await, [good.id]);
    // New frames can be added to the project.
    let take = finished_take();
    let path = media_path(&take.take.key);
    assert_eq!(store.import_frame(project, None, take).await.expect("imported")[0].path, path);
    database.force(("takes", "width"), &format!("UPDATE takes SET width = NULL WHERE id = {}", other.take_id)).await;
    let takes = store.list_takes(good.id).await.expect("a list");
    assert_eq!(takes.iter().map(|take| take.id).collect::<Vec<_>>(), [good.take_id]);
    assert_eq!(store.list_takes(null.id).await.expect("the frame is there"), []);
    // Recovery knows the files of all of them: none is an orphan.
    let keys = store.take_keys().await.expect("keys");
    for frame in [&narrow, &null, &good] {
        assert!(keys.iter().any(|key| media_path(key) == frame.path), "{}", frame.path);
    }
    let records = store.take_records(&[narrow.take_id, null.take_id, good.take_id]).await.expect("records");
    assert_eq!(records.iter().map(|record| record.take.id).collect::<Vec<_>>(), [narrow.take_id.0, good.take_id.0]);
    assert_eq!((records[1].task.seed, records[1].project.name.as_str()), (100, "Storm"));
    let bad = [narrow.take_id, null.take_id, other.take_id].map(|id| format!("takes {id}"));
    assert_eq!(unreadable(database).await, bad);
    let done = TaskFilter { status: Some(TaskStatus::Completed), project_id: None };
    assert_eq!(store.first_tasks(done).await.expect("the tasks are whole").len(), 5);
}

/// SQLite stores bytes that are not UTF-8 as text, and a damaged page contains any; PostgreSQL refuses them.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_not_utf_8_hides_no_other() {
    let database = Database::sqlite();
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (bad, good) = (ready_frame(&store, project).await, ready_frame(&store, project).await);
    let set =
        |table: &str, what: &str, id| format!("UPDATE {table} SET {what} = CAST(x'ff00fe' AS TEXT) WHERE id = {id}");
    database.force(("takes", "key"), &set("takes", "key", bad.take_id.0)).await;
    let keys = store.take_keys().await.expect("keys");
    assert_eq!(keys.iter().map(|key| media_path(key)).collect::<Vec<_>>(), [good.path]);
    assert_eq!(store.take_files().await.expect("files").len(), 1);
    let (_, task) = new_frame(&store, project).await;
    database.force(("tasks", "status"), &set("tasks", "status", task.id.0)).await;
    let counts = store.counts().await.expect("counts");
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 2, "{counts:?}");
}

async fn a_bad_setting_and_a_bad_answer_count_as_none(database: &Database) {
    let store = database.open().await;
    store.put_setting("good", "1").await.expect("put");
    store.put_setting("bad", "2").await.expect("put");
    database.force(("settings", "value"), "UPDATE settings SET value = NULL WHERE name = 'bad'").await;
    assert_eq!(store.setting("bad").await.expect("answered"), None);
    assert_eq!(store.setting("good").await.expect("answered").as_deref(), Some("1"));
    let project = create(&store, "Storm").await.id;
    database
        .execute(&format!(
            "INSERT INTO idempotency_keys (project_id, key, fingerprint, tasks, created_at) \
             VALUES ({project}, 'a key', 'a hash', '[{{', 5000000011)"
        ))
        .await;
    // Not executed again, and not a server error: the client uses another key.
    let idempotency = Idempotency { key: "a key".into(), fingerprint: "a hash".into() };
    let error = store.replayed(project, idempotency).await.expect_err("it cannot be read");
    assert!(matches!(&error, StoreError::Conflict { why } if why.contains("use a new one")), "{error:?}");
    assert_eq!(unreadable(database).await, ["settings bad", "idempotency_keys a key"]);
}

async fn a_bad_library_file_is_listed(database: &Database) {
    let store = database.open().await;
    let file = |id: &str| LibraryFileRow {
        id: id.repeat(16),
        folder: "/models".to_owned(),
        file: format!("{id}.safetensors"),
        bytes: 7,
        modified_ms: 1,
        facts: None,
        sha256: Some("0".repeat(64)),
        tensors_sha256: None,
        favourite: true,
        distillation: None,
        title: None,
    };
    store.put_library_files(["a", "b", "c", "d"].map(file).to_vec()).await.expect("put");
    assert_eq!(unreadable(database).await, Vec::<String>::new());
    let set = |what: &str, id: &str| format!("UPDATE library_files SET {what} WHERE id = '{}'", id.repeat(16));
    database.force(("library_files", "bytes"), &set("bytes = -7", "a")).await;
    database.force(("library_files", "sha256"), &set("sha256 = 'x'", "b")).await;
    database.force(("library_files", "folder"), &set("folder = NULL", "c")).await;
    let mut bad = unreadable(database).await;
    bad.sort();
    assert_eq!(bad, ["a", "b", "c"].map(|id| format!("library_files {}", id.repeat(16))));
    let kept = store.library_files().await.expect("a list");
    assert!(kept.iter().any(|file| file.id == "d".repeat(16)), "a good row stays: {kept:?}");
}

/// Rows were written by a clock that was a few seconds ahead, and the server starts again.
async fn times_go_on_where_the_clock_is_set_back(database: &Database) {
    let store = database.open().await;
    let ahead = create(&store, "of a clock ahead").await;
    store.close().await.expect("closed");
    database.execute("UPDATE projects SET updated_at = updated_at + 8000").await;
    let store = database.open().await;
    create(&store, "next").await;
    assert_eq!(names(&store).await, ["next", "of a clock ahead"], "the last changed comes first");
    create(&store, "third").await;
    assert_eq!(names(&store).await, ["third", "next", "of a clock ahead"]);
    assert_eq!(store.get_project(ahead.id).await.expect("there").name, "of a clock ahead");
}
