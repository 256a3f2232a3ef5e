//! The tables: diesel's schema matches the migrations, and constraints refuse invalid rows.

use crate::database::{Database, create};
use crate::on_both;
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, async_connection_wrapper::AsyncConnectionWrapper};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use std::collections::BTreeSet;
use store::rows::{FrameRow, IdempotencyRow, ProjectRow, SettingRow, TakeRow, TaskRow};
use store::schema::{frames, idempotency_keys, projects, settings, takes, tasks};

on_both![every_column_is_read_as_it_was_written, the_tables_refuse_what_cannot_be, down_undoes_up];

pub type Rows = (Vec<ProjectRow>, Vec<FrameRow>, Vec<TaskRow>, Vec<TakeRow>, Vec<SettingRow>, Vec<IdempotencyRow>);

/// All rows of all tables, by one query for both databases.
macro_rules! all_rows {
    ($connection:expr) => {{
        let connection = $connection;
        let rows: Rows = (
            diesel_async::RunQueryDsl::load(
                projects::table.order(projects::id).select(ProjectRow::as_select()),
                connection,
            )
            .await
            .expect("projects"),
            diesel_async::RunQueryDsl::load(frames::table.order(frames::id).select(FrameRow::as_select()), connection)
                .await
                .expect("frames"),
            diesel_async::RunQueryDsl::load(tasks::table.order(tasks::id).select(TaskRow::as_select()), connection)
                .await
                .expect("tasks"),
            diesel_async::RunQueryDsl::load(takes::table.order(takes::id).select(TakeRow::as_select()), connection)
                .await
                .expect("takes"),
            diesel_async::RunQueryDsl::load(
                settings::table.order(settings::name).select(SettingRow::as_select()),
                connection,
            )
            .await
            .expect("settings"),
            diesel_async::RunQueryDsl::load(
                idempotency_keys::table.order(idempotency_keys::key).select(IdempotencyRow::as_select()),
                connection,
            )
            .await
            .expect("idempotency keys"),
        );
        rows
    }};
}

/// All rows, in the order of their keys.
pub async fn rows(database: &Database) -> Rows {
    if database.is_sqlite() {
        type Connection = diesel_async::sync_connection_wrapper::SyncConnectionWrapper<SqliteConnection>;
        all_rows!(&mut Connection::establish(&database.url).await.expect("the file opens"))
    } else {
        all_rows!(&mut AsyncPgConnection::establish(&database.url).await.expect("the server answers"))
    }
}

async fn every_column_is_read_as_it_was_written(database: &Database) {
    let project = create(&database.open().await, "Storm").await.id;
    // Past 32 bits where a column is wider than that, and a different number in each.
    database
        .execute(&format!(
            "UPDATE projects SET created_at = 5000000001, updated_at = 5000000002, fps = 7 WHERE id = {project}"
        ))
        .await;
    let frame = database.add_frame(project).await;
    let take = database.add_take(frame, "0123456789abcdef-key", Some(5_000_000_003)).await;
    database
        .execute(&format!(
            "UPDATE frames SET position = 3, duration = 4, selected_take_id = {take}, note = 'n', created_at = 5000000004, \
             deleted_at = 5000000005, emptied = {}",
            if database.is_sqlite() { "1" } else { "TRUE" }
        ))
        .await;
    database.execute("INSERT INTO settings (name, value) VALUES ('a setting', 'its value')").await;
    database
        .execute(&format!(
            "INSERT INTO idempotency_keys (project_id, key, fingerprint, tasks, created_at) \
             VALUES ({project}, 'a key', 'a hash', '[]', 5000000011)"
        ))
        .await;
    database
        .execute(
            "UPDATE tasks SET status = 'failed', attempt = 2, parameters = '{\"a\":1}', seed = 9007199254740991, \
             error = 'why', queue_order = 5000000006, created_at = 5000000007, started_at = 5000000008, \
             finished_at = 5000000009, unclean_ends = 1",
        )
        .await;
    let yes = if database.is_sqlite() { "1" } else { "TRUE" };
    database.execute(&format!("UPDATE tasks SET overnight = {yes}, pause_at = 12")).await;
    database.execute(&format!("UPDATE takes SET trace_pinned = {yes}")).await;
    database
        .execute(
            "UPDATE takes SET width = 72, height = 80, etag = 'tag', finished_step = 29, created_at = 5000000010, \
             object = 'pictures/0123456789abcdef-key/1-tag.png', deleted_at = 5000000012",
        )
        .await;
    let (projects, frames, tasks, takes, settings, idempotency_keys) = rows(database).await;
    let project_row = ProjectRow {
        id: project.0,
        name: "Storm".into(),
        width: 1024,
        height: 768,
        fps: 7,
        created_at: 5_000_000_001,
        updated_at: 5_000_000_002,
        deleted_at: None,
    };
    let frame_row = FrameRow {
        id: frame,
        project_id: project.0,
        position: 3,
        duration: 4,
        selected_take_id: Some(take),
        note: "n".into(),
        created_at: 5_000_000_004,
        deleted_at: Some(5_000_000_005),
        emptied: true,
    };
    let task_row = TaskRow {
        id: tasks[0].id,
        project_id: project.0,
        frame_id: frame,
        status: "failed".into(),
        attempt: 2,
        parameters: "{\"a\":1}".into(),
        seed: 9_007_199_254_740_991,
        error: Some("why".into()),
        queue_order: 5_000_000_006,
        created_at: 5_000_000_007,
        started_at: Some(5_000_000_008),
        finished_at: Some(5_000_000_009),
        unclean_ends: 1,
        paused: false,
        done_steps: 0,
        keeps: false,
        overnight: true,
        pause_at: Some(12),
    };
    let take_row = TakeRow {
        id: take,
        project_id: project.0,
        frame_id: frame,
        task_id: task_row.id,
        key: "0123456789abcdef-key".into(),
        width: 72,
        height: 80,
        etag: Some("tag".into()),
        finished_step: Some(29),
        finished_at: Some(5_000_000_003),
        created_at: 5_000_000_010,
        trace_pinned: true,
        object: Some("pictures/0123456789abcdef-key/1-tag.png".into()),
        deleted_at: Some(5_000_000_012),
    };
    assert_eq!((projects, frames, tasks, takes), (vec![project_row], vec![frame_row], vec![task_row], vec![take_row]));
    assert_eq!(settings, [SettingRow { name: "a setting".into(), value: "its value".into() }]);
    let idempotency_row = IdempotencyRow {
        project_id: project.0,
        key: "a key".into(),
        fingerprint: "a hash".into(),
        tasks: "[]".into(),
        created_at: 5_000_000_011,
    };
    assert_eq!(idempotency_keys, [idempotency_row]);
}

async fn the_tables_refuse_what_cannot_be(database: &Database) {
    let store = database.open().await;
    let (project, other) = (create(&store, "Storm").await.id, create(&store, "other").await.id);
    let (frame, elsewhere) = (database.add_frame(project).await, database.add_frame(other).await);
    let take = database.add_take(frame, "0123456789abcdef", None).await;
    let theirs = database.add_take(elsewhere, "fedcba9876543210", Some(1)).await;
    database.execute("INSERT INTO settings (name, value) VALUES ('once', '')").await;
    let before = rows(database).await;
    let refused = [
        // A frame can only select its own takes.
        format!("UPDATE frames SET selected_take_id = {theirs} WHERE id = {frame}"),
        format!("UPDATE frames SET selected_take_id = 999 WHERE id = {frame}"),
        format!("UPDATE frames SET position = -1 WHERE id = {frame}"),
        format!("UPDATE frames SET duration = 0 WHERE id = {frame}"),
        format!("UPDATE frames SET project_id = {other} WHERE id = {frame}"),
        "INSERT INTO frames (project_id, position, created_at) VALUES (999, 0, 0)".to_owned(),
        "UPDATE tasks SET status = 'paused'".to_owned(),
        "UPDATE tasks SET status = 'failed', finished_at = 1, error = NULL".to_owned(),
        "UPDATE tasks SET status = 'completed', finished_at = NULL".to_owned(),
        "UPDATE tasks SET status = 'running', finished_at = NULL, started_at = NULL".to_owned(),
        "UPDATE tasks SET seed = -1".to_owned(),
        "UPDATE tasks SET seed = 9007199254740992".to_owned(),
        format!("UPDATE tasks SET project_id = {other} WHERE frame_id = {frame}"),
        // A key is a file name: it must not contain a path, and must be unique.
        format!("UPDATE takes SET key = '../../../etc/passwd' WHERE id = {take}"),
        format!("UPDATE takes SET key = 'ABCDEFABCDEFABCDEF' WHERE id = {take}"),
        format!("UPDATE takes SET key = 'short' WHERE id = {take}"),
        format!("UPDATE takes SET key = 'fedcba9876543210' WHERE id = {take}"),
        format!("UPDATE takes SET finished_at = 1 WHERE id = {take}"),
        format!("UPDATE takes SET frame_id = {elsewhere} WHERE id = {take}"),
        format!("UPDATE takes SET task_id = (SELECT task_id FROM takes WHERE id = {theirs}) WHERE id = {take}"),
        format!("UPDATE frames SET emptied = NULL WHERE id = {frame}"),
        "INSERT INTO settings (name, value) VALUES ('once', 'twice')".to_owned(),
        "INSERT INTO settings (name, value) VALUES ('', 'nameless')".to_owned(),
        key_of(project.0, "", "0"),
        key_of(project.0, &"k".repeat(256), "0"),
        key_of(999, "of no project", "0"),
        key_of(project.0, "without a time", "NULL"),
    ];
    for sql in refused {
        database.try_execute(&sql).await.expect_err(&sql);
    }
    assert_eq!(rows(database).await, before);
    // Deferred: selected and deleted in one transaction is fine, deleted alone is not.
    database.execute(&format!("UPDATE frames SET selected_take_id = {take} WHERE id = {frame}")).await;
    let delete = format!("DELETE FROM takes WHERE id = {take}");
    database.try_execute(&delete).await.expect_err("the frame shows it");
    let deselect = format!("UPDATE frames SET selected_take_id = NULL WHERE id = {frame}");
    database.execute(&format!("BEGIN; {delete}; {deselect}; COMMIT")).await;
}

fn key_of(project: i64, key: &str, created_at: &str) -> String {
    format!(
        "INSERT INTO idempotency_keys (project_id, key, fingerprint, tasks, created_at) \
         VALUES ({project}, '{key}', 'a hash', '[]', {created_at})"
    )
}

async fn down_undoes_up(database: &Database) {
    let store = database.open().await;
    let frame = database.add_frame(create(&store, "Storm").await.id).await;
    let take = database.add_take(frame, "0123456789abcdef", Some(1)).await;
    database.execute(&format!("UPDATE frames SET selected_take_id = {take}")).await;
    store.close().await.expect("closed");
    let (url, is_sqlite) = (database.url.clone(), database.is_sqlite());
    let revert = move || {
        let from = |name| FileBasedMigrations::from_path(format!("../../migrations/{name}"));
        if is_sqlite {
            let mut connection = SqliteConnection::establish(&url).expect("the file opens");
            connection.revert_all_migrations(from("sqlite").expect("the folder")).expect("reverted");
        } else {
            type Wrapped = AsyncConnectionWrapper<AsyncPgConnection>;
            let mut connection = <Wrapped as Connection>::establish(&url).expect("the server answers");
            connection.revert_all_migrations(from("postgres").expect("the folder")).expect("reverted");
        }
    };
    tokio::task::spawn_blocking(revert).await.expect("no panic");
    database.try_execute("SELECT id FROM projects").await.expect_err("the table is gone");
    assert!(database.open().await.all_projects().await.expect("anew").is_empty());
}

#[test]
fn each_migration_has_its_own_number_and_its_counterpart() {
    // diesel takes the letters and digits before the first `_` as the number, and runs one of two with the same.
    let names = |database| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(database);
        let entries = std::fs::read_dir(folder).expect("listed").map(|entry| entry.expect("an entry").file_name());
        entries.map(|name| name.into_string().expect("UTF-8")).collect::<BTreeSet<_>>()
    };
    let (sqlite, postgres) = (names("sqlite"), names("postgres"));
    assert_eq!(sqlite, postgres);
    let numbers: BTreeSet<_> = sqlite.iter().map(|name| name.split('_').next()).collect();
    assert_eq!(numbers.len(), sqlite.len(), "{sqlite:?}");
}
