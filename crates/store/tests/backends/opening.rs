//! Opening a database: accepted and refused addresses, and their messages.

use crate::database::{Database, create, names};
use crate::on_both;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use std::path::Path;
use store::{OpenFault, Store, StoreError};

on_both![
    opening_again_changes_nothing,
    many_may_open_a_new_database_at_once,
    a_newer_database_is_refused_and_left_alone,
    a_newer_database_is_used_if_its_migrations_allow_it,
    one_that_is_only_looked_at_is_not_changed,
    an_open_database_answers_a_ping,
];

const APPLIED: &str = "SELECT count(*) FROM __diesel_schema_migrations";

async fn opening_again_changes_nothing(database: &Database) {
    let store = database.open().await;
    create(&store, "Storm").await;
    let applied = database.number(APPLIED).await;
    assert!(applied >= 1);
    for _ in 0..2 {
        let again = database.open().await;
        assert_eq!(names(&again).await, ["Storm"]);
        assert_eq!(database.number(APPLIED).await, applied);
    }
}

async fn many_may_open_a_new_database_at_once(database: &Database) {
    let opened: Vec<_> = (0..6)
        .map(|_| {
            let url = database.url.clone();
            tokio::spawn(async move { Store::open(&url).await })
        })
        .collect();
    for store in opened {
        let store = store.await.expect("no panic").expect("opened beside the others");
        create(&store, "works").await;
    }
}

async fn a_newer_database_is_refused_and_left_alone(database: &Database) {
    let store = database.open().await;
    create(&store, "Storm").await;
    store.close().await.expect("closed");
    database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231235959')").await;
    let applied = database.number(APPLIED).await;
    let error = Store::open(&database.url).await.expect_err("it is from the future");
    let text = error.to_string();
    assert!(matches!(&error, StoreError::TooNew { unknown, .. } if unknown == &["29991231235959"]), "{error:?}");
    assert!(text.contains("from a newer version of Emberline") && text.contains("29991231235959"), "{text}");
    assert_eq!(database.number(APPLIED).await, applied);
    assert_eq!(database.number("SELECT count(*) FROM projects").await, 1);
    database.execute("DELETE FROM __diesel_schema_migrations WHERE version = '29991231235959'").await;
    assert_eq!(names(&database.open().await).await, ["Storm"]);
}

async fn a_newer_database_is_used_if_its_migrations_allow_it(database: &Database) {
    let store = database.open().await;
    create(&store, "Storm").await;
    store.close().await.expect("closed");
    let newest = "(SELECT max(version) FROM __diesel_schema_migrations)";
    let allowed = format!("INSERT INTO schema_floors (migration, floor) VALUES ('29991231235959', {newest})");
    database.execute(&allowed).await;
    database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231235959')").await;
    assert_eq!(names(&database.open().await).await, ["Storm"]);
    Store::own_migrated(&database.url).await.expect("nothing is missing").close().await.expect("closed");
    Store::join(&database.url).await.expect("a worker too").close().await.expect("closed");
    // Another one says nothing.
    database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231235960')").await;
    let error = Store::open(&database.url).await.expect_err("one may not be there");
    assert!(matches!(&error, StoreError::TooNew { unknown, .. } if unknown.len() == 2), "{error:?}");
    // The floor is above this program.
    let floor = "INSERT INTO schema_floors (migration, floor) VALUES ('29991231235960', '29991231235959')";
    database.execute(floor).await;
    Store::open(&database.url).await.expect_err("its floor is not known");
}

async fn one_that_is_only_looked_at_is_not_changed(database: &Database) {
    let tables = "SELECT count(*) FROM __diesel_schema_migrations";
    // Not created: no file on SQLite, no table on PostgreSQL.
    Store::look(&database.url).await.expect_err("there is nothing yet");
    create(&database.open().await, "Storm").await;
    let store = Store::look(&database.url).await.expect("up to date");
    assert_eq!(names(&store).await, ["Storm"]);
    let (applied, newest) = (database.number(tables).await, "(SELECT max(version) FROM __diesel_schema_migrations)");
    database.execute(&format!("DELETE FROM __diesel_schema_migrations WHERE version = {newest}")).await;
    let error = Store::look(&database.url).await.expect_err("a migration is missing");
    assert!(matches!(error, StoreError::TooOld { .. }), "{error:?}");
    assert_eq!(database.number(tables).await, applied - 1, "nothing was run");
}

async fn an_open_database_answers_a_ping(database: &Database) {
    let store = database.open().await;
    store.ping().await.expect("ready");
    database.execute("ALTER TABLE projects RENAME TO elsewhere").await;
    let broken = store.ping().await.expect_err("a table is gone");
    assert!(matches!(broken, StoreError::Database(_)), "{broken:?}");
    database.execute("ALTER TABLE elsewhere RENAME TO projects").await;
    store.ping().await.expect("ready again");
}

/// The error message for this address.
async fn refusal(url: &str) -> (StoreError, String) {
    let error = Store::open(url).await.expect_err("this cannot be opened");
    let text = error.to_string();
    assert!(text.starts_with("cannot open the database ") && !text.contains('\n'), "{text}");
    (error, text)
}

async fn file_refusal(path: &Path, at_fault: &Path) -> std::io::ErrorKind {
    match refusal(&path.display().to_string()).await {
        (StoreError::Open { fault: OpenFault::File { path, source }, .. }, text) => {
            assert_eq!(path, at_fault.display().to_string(), "{text}");
            source.kind()
        }
        (error, _) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_is_refused_with_the_place_and_the_reason() {
    use std::io::ErrorKind;
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("no such folder");
    assert_eq!(file_refusal(&missing.join("a.sqlite"), &missing).await, ErrorKind::NotFound);
    let file = folder.path().join("plain file");
    std::fs::write(&file, "text").expect("a file");
    assert_eq!(file_refusal(&file.join("a.sqlite"), &file).await, ErrorKind::NotADirectory);
    assert_eq!(file_refusal(folder.path(), folder.path()).await, ErrorKind::IsADirectory);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_unwritable_folder_and_file_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("emberline.sqlite");
    Store::open(&file.display().to_string()).await.expect("opens").close().await.expect("closed");
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
    };
    mode(&file, 0o444);
    if std::fs::OpenOptions::new().write(true).open(&file).is_ok() {
        // Root can write everywhere except in the kernel's folders.
        let kernel = Path::new("/sys/kernel");
        assert_ne!(file_refusal(&kernel.join("emberline.sqlite"), kernel).await, std::io::ErrorKind::NotFound);
        return;
    }
    assert_eq!(file_refusal(&file, &file).await, std::io::ErrorKind::PermissionDenied);
    mode(&file, 0o644);
    mode(folder.path(), 0o555);
    assert_eq!(file_refusal(&file, folder.path()).await, std::io::ErrorKind::PermissionDenied);
    let new = folder.path().join("new.sqlite");
    assert_eq!(file_refusal(&new, folder.path()).await, std::io::ErrorKind::PermissionDenied);
    mode(folder.path(), 0o755);
}

#[tokio::test]
async fn another_programs_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("notes.txt");
    let content = "Not a database at all, but long enough to be looked at.\n".repeat(40);
    std::fs::write(&text, &content).expect("a file");
    let (error, line) = refusal(&text.display().to_string()).await;
    assert!(matches!(error, StoreError::Open { fault: OpenFault::Foreign(_), .. }), "{error:?}");
    assert!(line.ends_with("the file is not an Emberline database (it is no SQLite file)"), "{line}");
    assert_eq!(std::fs::read_to_string(&text).expect("the file"), content);

    let other = folder.path().join("places.sqlite").display().to_string();
    let mut connection = SqliteConnection::establish(&other).expect("a database");
    connection.batch_execute("CREATE TABLE moz_places (id INTEGER)").expect("a table");
    drop(connection);
    let before = std::fs::read(&other).expect("the file");
    let (_, line) = refusal(&other).await;
    assert!(line.contains("another program's tables"), "{line}");
    assert_eq!(std::fs::read(&other).expect("the file"), before);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_refused_without_the_password() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("its address").port();
    drop(free);
    let (_, line) = refusal(&format!("postgres://me:s3cret@127.0.0.1:{port}/ember")).await;
    assert!(line.contains(&format!("postgres://127.0.0.1:{port}/ember")), "{line}");
    assert!(line.contains("onnection refused") && !line.contains("s3cret"), "{line}");
}

#[tokio::test]
async fn a_missing_database_on_a_server_is_refused_by_name() {
    let Some(database) = Database::postgres().await else { return };
    let (_, line) = refusal(&database.url.replace("test_", "no_such_")).await;
    assert!(line.contains("does not exist") && line.contains("no_such_"), "{line}");
}

#[tokio::test]
async fn one_thread_is_enough() {
    let database = Database::sqlite();
    create(&database.open().await, "on a current-thread runtime").await;
    if let Some(database) = Database::postgres().await {
        create(&database.open().await, "on a current-thread runtime").await;
    }
}
