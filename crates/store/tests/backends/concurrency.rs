//! Concurrent calls, and calls whose caller disappears.

use crate::database::{Database, cancel_at, create, names, new_project};
use crate::on_both;
use diesel::connection::SimpleConnection;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use store::{Store, StoreError};

on_both![
    many_writers_lose_nothing,
    two_processes_on_one_database_lose_nothing,
    a_cancelled_write_runs_to_its_end_and_leaves_no_open_transaction,
    a_closed_store_says_so,
];

/// Number of concurrent writers, and of projects that each creates.
const WRITERS: usize = 16;
const EACH: usize = 20;

fn writers(store: &Store, who: &str) -> Vec<tokio::task::JoinHandle<Vec<i64>>> {
    let writer = async |store: Store, name: String| {
        let mut ids = Vec::new();
        for n in 0..EACH {
            ids.push(create(&store, &format!("{name}, {n}")).await.id.0);
            // Concurrent readers must not block the writers, nor see a partial change.
            if n % 5 == 0 {
                store.all_projects().await.expect("a list while others write");
            }
        }
        ids
    };
    (0..WRITERS).map(|n| tokio::spawn(writer(store.clone(), format!("{who} {n}")))).collect()
}

async fn made(writers: Vec<tokio::task::JoinHandle<Vec<i64>>>) -> BTreeSet<i64> {
    let mut ids = BTreeSet::new();
    for writer in writers {
        for id in writer.await.expect("no writer failed") {
            assert!(ids.insert(id), "{id} twice");
        }
    }
    ids
}

async fn listed(store: &Store) -> BTreeSet<i64> {
    store.all_projects().await.expect("the list").into_iter().map(|project| project.id.0).collect()
}

async fn many_writers_lose_nothing(database: &Database) {
    let store = database.open().await;
    let ids = made(writers(&store, "writer")).await;
    assert_eq!(ids.len(), WRITERS * EACH);
    assert_eq!(listed(&store).await, ids);
}

async fn two_processes_on_one_database_lose_nothing(database: &Database) {
    // Two stores share nothing in this process, so they interact only through the database, as two processes do.
    let (one, two) = (database.open().await, database.open().await);
    let both = writers(&one, "one").into_iter().chain(writers(&two, "two")).collect();
    let ids = made(both).await;
    assert_eq!(ids.len(), 2 * WRITERS * EACH);
    assert_eq!(listed(&one).await, ids);
}

async fn a_cancelled_write_runs_to_its_end_and_leaves_no_open_transaction(database: &Database) {
    let store = database.open().await;
    create(&store, "to have a connection").await;
    let rounds = 120;
    for n in 0..rounds {
        // Drops the call at each of its await points in turn; a write directly afterwards must succeed.
        cancel_at(1 + n % 12, store.create_project(new_project(&format!("cancelled {n}")))).await;
        create(&store, &format!("after {n}")).await;
    }
    // On every connection that could have been left open.
    let last: Vec<_> = (0..16)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { create(&store, &format!("last {n}")).await })
        })
        .collect();
    for write in last {
        write.await.expect("a write after the cancelled ones");
    }
    // Dropping a call does not stop it: the cancelled ones are made too, whole and once, if not yet.
    let expected = 1 + rounds + rounds + 16;
    let deadline = Instant::now() + Duration::from_secs(30);
    while names(&store).await.len() < expected && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let names = names(&store).await;
    let unique: BTreeSet<_> = names.iter().collect();
    assert_eq!((names.len(), unique.len()), (expected, expected));
    assert_none_is_open(database).await;
}

async fn assert_none_is_open(database: &Database) {
    if database.is_sqlite() {
        // No busy timeout on this connection: it fails at once if a writer is in there.
        let mut raw = database.raw_sqlite();
        raw.batch_execute("BEGIN IMMEDIATE; ROLLBACK").expect("no writer holds the file");
        return;
    }
    let open = "SELECT count(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    assert_eq!(database.number(open).await, 0);
}

async fn a_closed_store_says_so(database: &Database) {
    let store = database.open().await;
    let pending = writers(&store, "before");
    made(pending).await;
    let clone = store.clone();
    store.close().await.expect("closed");
    store.close().await.expect("closed again");
    assert!(matches!(clone.create_project(new_project("late")).await, Err(StoreError::Closed)));
    assert!(matches!(clone.all_projects().await, Err(StoreError::Closed)));
    assert!(matches!(clone.ping().await, Err(StoreError::Closed)));
    assert_eq!(listed(&database.open().await).await.len(), WRITERS * EACH);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_file_is_waited_for_and_then_reported() {
    let database = Database::sqlite();
    let store = database.open().await;
    let mut other = database.raw_sqlite();
    other.batch_execute("BEGIN IMMEDIATE").expect("another program writes");
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { create(&store, "patient").await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "it waits");
    assert_eq!(names(&store).await, [""; 0], "readers do not");
    other.batch_execute("ROLLBACK").expect("the other program is done");
    waiting.await.expect("it got its turn");

    other.batch_execute("BEGIN IMMEDIATE").expect("another program writes, and stays");
    let result = store.create_project(new_project("in vain")).await;
    assert!(matches!(result, Err(StoreError::Busy)), "{result:?}");
    other.batch_execute("ROLLBACK").expect("the other program is done");
    assert_eq!(names(&store).await, ["patient"]);
    create(&store, "and on it goes").await;
}
