//! Damaged, missing and foreign files; owners; the copy before a migration.

use crate::database::{Database, create, names};
use diesel::prelude::*;
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use std::{
    fs,
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
};
use store::{OpenFault, Store, StoreError};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_one_owner_at_a_time() {
    let database = Database::sqlite();
    let first = Store::own(&database.url).await.expect("the first owns it");
    create(&first, "Storm").await;
    let error = Store::own(&database.url).await.expect_err("the second is refused");
    assert!(matches!(error, StoreError::Owned { .. }), "{error:?}");
    assert!(error.to_string().contains("another emberline uses the database"), "{error}");
    // Opening for reading only is allowed.
    assert_eq!(names(&Store::look(&database.url).await.expect("looked at")).await, ["Storm"]);
    first.close().await.expect("closed");
    drop(first);
    assert_eq!(names(&Store::own(&database.url).await.expect("free again")).await, ["Storm"]);
}

/// A closed database with hundreds of pages.
async fn filled() -> (Database, PathBuf) {
    let database = Database::sqlite();
    let store = database.open().await;
    create(&store, "Storm").await;
    store.close().await.expect("closed");
    database
        .execute(
            "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
             INSERT INTO projects (name, width, height, fps, created_at, updated_at) \
             SELECT 'project ' || i || hex(zeroblob(40)), 64, 64, 1, i, i FROM n",
        )
        .await;
    let path = PathBuf::from(&database.url);
    (database, path)
}

fn refusal(result: Result<Store, StoreError>) -> (OpenFault, String) {
    match result {
        Err(error @ StoreError::Open { .. }) => {
            let text = error.to_string();
            let StoreError::Open { fault, .. } = error else { unreachable!("matched above") };
            (fault, text)
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn damaged_pages_are_refused_with_the_way_out_and_left_alone() {
    let (database, path) = filled().await;
    let pages = fs::metadata(&path).expect("a file").len() / 4096;
    assert!(pages > 60, "{pages}");
    let whole = fs::read(&path).expect("the file");
    // The first page after its header, one in the middle, the last.
    for (page, from) in [(0, 100), (pages / 2, 0), (pages - 1, 0)] {
        fs::write(&path, &whole).expect("restored");
        let file = fs::OpenOptions::new().write(true).open(&path).expect("opened");
        let noise: Vec<u8> = (0..4096 - from).map(|i| (i * 37 % 251) as u8).collect();
        file.write_all_at(&noise, page * 4096 + from).expect("damaged");
        let damaged = fs::read(&path).expect("the file");
        let (fault, text) = refusal(Store::open(&database.url).await);
        assert!(matches!(fault, OpenFault::Damaged(_)), "page {page}: {text}");
        assert!(text.contains("is damaged") && text.contains("copy") && !text.contains('\n'), "{text}");
        assert_eq!(fs::read(&path).expect("the file"), damaged, "page {page}: nothing was written");
        // As `emberline doctor`: either opening fails, or the check reports the damage.
        match Store::look(&database.url).await {
            Ok(store) => assert!(!store.damage().await.expect("checked").is_empty(), "page {page}"),
            Err(error) => assert!(error.to_string().contains("damaged"), "page {page}: {error}"),
        }
        assert_eq!(fs::read(&path).expect("the file"), damaged, "page {page}: nothing was changed by looking");
    }
    fs::write(&path, &whole).expect("restored");
    let store = Store::open(&database.url).await.expect("whole again");
    assert_eq!(store.damage().await.expect("checked"), Vec::<String>::new());
    assert_eq!(names(&store).await.len(), 3001);
}

#[tokio::test]
async fn a_row_that_breaks_a_rule_is_no_damage() {
    let database = Database::sqlite();
    let project = create(&database.open().await, "Storm").await.id;
    database.force(("projects", "width"), &format!("UPDATE projects SET width = -8 WHERE id = {project}")).await;
    database.force(("projects", "fps"), &format!("UPDATE projects SET fps = NULL WHERE id = {project}")).await;
    let store = Store::open(&database.url).await.expect("the server starts");
    assert_eq!(store.unreadable_rows().await.expect("a list").len(), 1);
}

#[tokio::test]
async fn a_log_without_its_file_is_kept() {
    let (database, path) = filled().await;
    let log = PathBuf::from(format!("{}-wal", database.url));
    // As after a kill: the log has changes that the file does not have.
    let saved = {
        let mut connection = database.raw_sqlite();
        diesel::connection::SimpleConnection::batch_execute(
            &mut connection,
            "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; UPDATE projects SET name = 'in the log'",
        )
        .expect("changed");
        (fs::read(&path).expect("the file"), fs::read(&log).expect("the log"))
    };
    assert!(!saved.1.is_empty());
    let refused = async |what: &str| {
        let (fault, text) = refusal(Store::open(&database.url).await);
        assert!(matches!(fault, OpenFault::LogAlone(..)) && text.contains(what), "{text}");
        let (_, looked) = refusal(Store::look(&database.url).await);
        assert_eq!(looked, text);
        assert_eq!(fs::read(&log).expect("the log"), saved.1, "{what}");
    };
    fs::remove_file(&path).expect("removed");
    fs::write(&log, &saved.1).expect("the log");
    assert!(store::has_log_alone(&path));
    refused("missing").await;
    fs::write(&path, "").expect("emptied");
    refused("empty").await;
    // Opening for reading does not merge the log into the file.
    fs::write(&path, &saved.0).expect("the file");
    let store = Store::look(&database.url).await.expect("looked at");
    assert!(names(&store).await.iter().all(|name| name == "in the log"));
    store.close().await.ok();
    drop(store);
    assert_eq!((fs::read(&path).expect("the file"), fs::read(&log).expect("the log")), saved);
    assert!(names(&database.open().await).await.iter().all(|name| name == "in the log"));
    // An empty file without a log: the first start was killed at once.
    let new = Database::sqlite();
    fs::write(&new.url, "").expect("an empty file");
    create(&new.open().await, "Storm").await;
}

/// Reverts the newest migration, to get a database of the previous version. Returns the migration's version.
fn taken_back(database: &Database) -> String {
    let migrations = FileBasedMigrations::from_path("../../migrations/sqlite").expect("the folder");
    let version = database.raw_sqlite().revert_last_migration(migrations).expect("reverted");
    version.to_string()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[tokio::test]
async fn a_copy_is_made_before_the_tables_change_and_two_are_kept() {
    let database = Database::sqlite();
    let store = database.open().await;
    let folder = Path::new(&database.url).parent().expect("a folder");
    let copies = || {
        let names = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().expect("UTF-8")).collect();
        names.retain(|name| name.contains("before"));
        names.sort();
        names
    };
    create(&store, "Storm").await;
    store.close().await.expect("closed");
    assert_eq!(copies(), Vec::<String>::new(), "a new database is not copied");
    let version = taken_back(&database);
    for old in ["20200101000000", "20210101000000"] {
        fs::write(folder.join(format!("emberline.sqlite.before-{old}")), "old").expect("written");
    }
    let store = database.open().await;
    assert_eq!(names(&store).await, ["Storm"]);
    let copy = format!("emberline.sqlite.before-{version}");
    assert_eq!(copies(), ["emberline.sqlite.before-20210101000000".to_owned(), copy.clone()]);
    let copy = folder.join(copy);
    assert_eq!((mode(&copy), mode(Path::new(&database.url))), (0o600, 0o600));
    // The copy is a complete database of the previous version.
    let mut connection = SqliteConnection::establish(&copy.display().to_string()).expect("a database");
    let count = |connection: &mut SqliteConnection, sql: &str| -> i64 {
        diesel::dsl::sql::<diesel::sql_types::BigInt>(sql).get_result(connection).expect("a number")
    };
    assert_eq!(count(&mut connection, "SELECT count(*) FROM projects WHERE name = 'Storm'"), 1);
    let newest = format!("SELECT count(*) FROM __diesel_schema_migrations WHERE version = '{version}'");
    assert_eq!(count(&mut connection, &newest), 0);
    drop(connection);
    // The tables are current, so nothing is copied.
    store.close().await.expect("closed");
    database.open().await;
    assert_eq!(copies().len(), 2);
}

#[tokio::test]
async fn tables_do_not_change_where_the_copy_cannot_be_made() {
    let database = Database::sqlite();
    create(&database.open().await, "Storm").await;
    let version = taken_back(&database);
    // A folder at the copy's path.
    let place = PathBuf::from(format!("{}.before-{version}", database.url));
    fs::create_dir(&place).expect("made");
    let applied = database.number("SELECT count(*) FROM __diesel_schema_migrations").await;
    let (fault, text) = refusal(Store::open(&database.url).await);
    assert!(matches!(fault, OpenFault::Copy { .. }) && text.contains("makes a copy first"), "{text}");
    assert_eq!(database.number("SELECT count(*) FROM __diesel_schema_migrations").await, applied);
    fs::remove_dir(&place).expect("removed");
    assert_eq!(names(&database.open().await).await, ["Storm"]);
}
