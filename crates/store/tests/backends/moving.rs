//! Copies of a whole database, to the other kind and back.

use crate::database::{Database, create, new_project};
use crate::on_both;
use crate::studio::{claim, generate, new_frame, ready_frame, request};
use crate::tables::rows;
use protocol::{NewStyle, ProjectId};
use std::{collections::HashMap, time::Duration};
use store::{CopiedRows, Idempotency, Store, StoreError};

on_both![
    a_copy_has_every_row_and_goes_on_with_the_ids,
    a_used_database_takes_no_copy,
    nothing_is_copied_if_a_row_is_refused,
    the_database_of_a_newer_version_is_not_moved
];

/// Copies the database, which is closed meanwhile as a server's is.
async fn copied(from: &Database, to: &Database) -> Result<CopiedRows, StoreError> {
    let (source, target) = (Store::hold(&from.url).await.expect("opens"), to.open().await);
    let copied = source.copy_into(&target, HashMap::new(), Vec::new()).await;
    source.close().await.expect("closed");
    target.close().await.expect("closed");
    copied
}

/// A database of the same kind.
async fn another(database: &Database) -> Database {
    match database.is_sqlite() {
        true => Database::sqlite(),
        false => Database::postgres().await.expect("PostgreSQL is there"),
    }
}

async fn a_copy_has_every_row_and_goes_on_with_the_ids(database: &Database) {
    let store = database.open().await;
    let (kept, gone) = (create(&store, "龍 🔥").await.id, create(&store, "Gone").await.id);
    ready_frame(&store, kept).await;
    new_frame(&store, kept).await;
    claim(&store).await;
    let idempotency = Idempotency { key: "again".into(), fingerprint: "f".into() };
    store
        .create_tasks(store::NewTasks { idempotency: Some(idempotency), ..request(kept, None, 3) })
        .await
        .expect("made");
    generate(&store, gone, None, 2).await;
    // More rows than one page, the last of them deleted for good.
    for n in 0..1001 {
        let frame = format!("INSERT INTO frames (project_id, position, created_at) VALUES ({kept}, {n}, 0)");
        database.execute(&frame).await;
    }
    store.delete_project(gone).await.expect("deleted");
    let last = create(&store, "Last").await.id;
    store.delete_project(last).await.expect("deleted");
    tokio::time::sleep(Duration::from_millis(5)).await;
    store.purge_projects(Duration::ZERO).await.expect("purged");
    let styles =
        ["One", "Two"].map(|name| NewStyle { name: name.into(), prompt: "p".into(), negative_prompt: "n".into() });
    store.import_styles(styles.to_vec()).await.expect("imported");
    store.put_setting("trace", "all").await.expect("set");
    let listed = store.list_styles().await.expect("listed");
    store.close().await.expect("closed");

    let (first, second) = (Database::sqlite(), another(database).await);
    let counts = copied(database, &first).await.expect("copied");
    assert_eq!(copied(&first, &second).await.expect("copied"), counts);
    assert_eq!((counts.projects, counts.frames, counts.tasks, counts.takes), (1, 1004, 5, 5));
    assert_eq!((counts.styles, counts.settings, counts.idempotency_keys), (2, 1, 1));
    let original = rows(database).await;
    for copy in [&first, &second] {
        assert_eq!(rows(copy).await, original);
        let store = copy.open().await;
        assert_eq!(store.list_styles().await.expect("listed"), listed);
        let next = store.create_project(new_project("Next")).await.expect("created").id;
        assert_eq!(next, ProjectId(last.0 + 1), "an id is never given out twice");
        // The database gives out ids again, and rows refer to each other.
        ready_frame_after(&store, next).await;
    }
}

/// The queue has older tasks: a frame whose task is only queued.
async fn ready_frame_after(store: &Store, project: ProjectId) {
    let (frame, task) = new_frame(store, project).await;
    assert_eq!((frame.project_id, task.project_id), (project, project));
}

async fn a_used_database_takes_no_copy(database: &Database) {
    let used = another(database).await;
    create(&database.open().await, "Storm").await;
    create(&used.open().await, "Other").await;
    let error = copied(database, &used).await.expect_err("refused");
    assert!(matches!(&error, StoreError::Conflict { why } if why.contains("projects")), "{error}");
    assert_eq!(used.number("SELECT count(*) FROM projects").await, 1);
}

async fn the_database_of_a_newer_version_is_not_moved(database: &Database) {
    create(&database.open().await, "Storm").await;
    let floor = "INSERT INTO schema_floors (migration, floor) SELECT '99991231000000', max(version) FROM __diesel_schema_migrations";
    database.execute(floor).await;
    database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000000')").await;
    let error = copied(database, &another(database).await).await.expect_err("refused");
    assert!(matches!(&error, StoreError::TooNew { unknown, .. } if unknown == &["99991231000000"]), "{error}");
}

async fn nothing_is_copied_if_a_row_is_refused(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    ready_frame(&store, project).await;
    store.close().await.expect("closed");
    // The other database still has its checks.
    database.force(("takes", "etag"), "UPDATE takes SET etag = NULL").await;
    let target = another(database).await;
    copied(database, &target).await.expect_err("a finished take has an ETag");
    for table in ["projects", "frames", "tasks", "takes"] {
        assert_eq!(target.number(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
}
