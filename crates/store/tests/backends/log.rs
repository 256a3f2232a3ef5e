//! The log of PostgreSQL, which gives every server the same events in the same order. A server is a store with its
//! subscriber: two of them share nothing in this process, so they meet only in the database.

use crate::database::{Database, create, new_project};
use crate::studio::new_frame;
use protocol::Event;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use store::{Change, LogEntry, Store, Subscriber};

/// Ends the connections by which servers follow the log.
const KILL_LISTENERS: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                              WHERE application_name = 'emberline (events)' AND datname = current_database()";

#[derive(Default)]
struct Heard {
    entries: Mutex<Vec<LogEntry>>,
    /// Where the log was opened: epoch and number.
    opened: Mutex<Vec<(String, u64)>>,
}

impl Subscriber for Heard {
    fn log_opened(&self, epoch: &str, seq: u64) {
        self.opened.lock().expect("unpoisoned").push((epoch.to_owned(), seq));
    }

    fn committed(&self, entries: Vec<LogEntry>) {
        self.entries.lock().expect("unpoisoned").extend(entries);
    }
}

impl Heard {
    fn entries(&self) -> Vec<LogEntry> {
        self.entries.lock().expect("unpoisoned").clone()
    }

    fn opened(&self) -> Vec<(String, u64)> {
        self.opened.lock().expect("unpoisoned").clone()
    }

    /// The names of the projects, in the order in which they were heard.
    fn projects(&self) -> Vec<String> {
        let project = |entry: LogEntry| match entry.change {
            Change::Event { event: Event::ProjectUpdated(it), .. } => Some(it.project.name),
            _ => None,
        };
        self.entries().into_iter().filter_map(project).collect()
    }

    /// Asserts that the numbers follow each other from where the log was opened.
    fn assert_no_gap(&self) {
        let numbers: Vec<u64> = self.entries().iter().filter_map(|entry| entry.seq).collect();
        let first = self.opened().last().expect("opened").1 + 1;
        assert_eq!(numbers, (first..first + numbers.len() as u64).collect::<Vec<_>>());
    }
}

async fn server(database: &Database) -> (Store, Arc<Heard>) {
    let (store, heard) = (database.open().await, Arc::new(Heard::default()));
    store.subscribe(heard.clone()).await.expect("the log is followed");
    (store, heard)
}

async fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within 30 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sixteen writers, half of them on each server, while `meanwhile` runs. Each creates this many projects, and hears of each
/// on its own server before the call returns.
async fn write_on_both(
    (one, heard_one): (&Store, &Arc<Heard>),
    (two, heard_two): (&Store, &Arc<Heard>),
    each: usize,
    meanwhile: impl Future<Output = ()>,
) -> BTreeSet<String> {
    let writer = |number: usize| {
        let (store, heard) = if number.is_multiple_of(2) { (one, heard_one) } else { (two, heard_two) };
        let (store, heard) = (store.clone(), Arc::clone(heard));
        tokio::spawn(async move {
            let mut names = Vec::new();
            for n in 0..each {
                let name = format!("writer {number}, {n}");
                store.create_project(new_project(&name)).await.expect("created");
                assert!(heard.projects().contains(&name), "the answer came before the event");
                names.push(name);
            }
            names
        })
    };
    let writers: Vec<_> = (0..16).map(writer).collect();
    meanwhile.await;
    let mut names = BTreeSet::new();
    for writer in writers {
        names.extend(writer.await.expect("no writer failed"));
    }
    names
}

fn assert_same(one: &Heard, two: &Heard, names: &BTreeSet<String>) {
    assert_eq!(one.entries(), two.entries(), "the same entries with the same numbers in the same order");
    one.assert_no_gap();
    let told = one.projects();
    assert_eq!(told.len(), names.len(), "each once");
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), *names);
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_writers_on_two_servers_are_heard_in_one_order_without_a_gap() {
    let Some(database) = Database::postgres().await else { return };
    let ((one, heard_one), (two, heard_two)) = (server(&database).await, server(&database).await);
    let names = write_on_both((&one, &heard_one), (&two, &heard_two), 20, async {}).await;
    assert_eq!(names.len(), 320);
    wait_for("both servers hear all", || [&heard_one, &heard_two].iter().all(|it| it.projects().len() >= 320)).await;
    assert_same(&heard_one, &heard_two, &names);
    assert_eq!(heard_one.opened(), heard_two.opened());
    assert_eq!(database.number("SELECT seq FROM event_head").await, 320);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_is_killed_loses_nothing() {
    let Some(database) = Database::postgres().await else { return };
    let ((one, heard_one), (two, heard_two)) = (server(&database).await, server(&database).await);
    let mut killed = 0;
    let kills = async {
        for _ in 0..8 {
            killed += database.number(KILL_LISTENERS).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let names = write_on_both((&one, &heard_one), (&two, &heard_two), 10, kills).await;
    assert!(killed >= 2, "{killed} listeners were killed");
    wait_for("both servers hear all", || [&heard_one, &heard_two].iter().all(|it| it.projects().len() >= 160)).await;
    assert_same(&heard_one, &heard_two, &names);
    assert_eq!(heard_one.opened().len(), 1, "the log is the same, so nothing begins again");
}

/// A process that ends between its commit and its announcement: the other servers hear of the change all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_committed_is_heard_though_it_never_announces_it() {
    let Some(database) = Database::postgres().await else { return };
    let (_other, heard) = server(&database).await;
    create(&database.open().await, "its last").await;
    wait_for("the other server hears it", || heard.projects() == ["its last"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_later_hears_what_the_log_still_has() {
    let Some(database) = Database::postgres().await else { return };
    let (one, heard_one) = server(&database).await;
    let project = create(&one, "before").await.id;
    new_frame(&one, project).await;
    let (_two, heard_two) = server(&database).await;
    assert_eq!(heard_two.entries(), heard_one.entries(), "at once");
    assert_eq!(heard_two.entries().len(), 3, "the project, the frame and the mark of the queue");
    assert_eq!(heard_two.opened(), heard_one.opened(), "the epoch is the log's and not the server's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_missed_rows_begins_again() {
    let Some(database) = Database::postgres().await else { return };
    let (store, heard) = server(&database).await;
    create(&store, "first").await;
    // As if this server had slept until others had added and pruned a hundred rows.
    database.execute("BEGIN; DELETE FROM events; UPDATE event_head SET seq = seq + 100; COMMIT").await;
    create(&store, "later").await;
    let epoch = heard.opened()[0].0.clone();
    assert_eq!(heard.opened(), [(epoch.clone(), 0), (epoch, 101)]);
    assert_eq!(heard.entries().last().and_then(|entry| entry.seq), Some(102));
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_another_log_begin_again_with_another_epoch() {
    let Some(database) = Database::postgres().await else { return };
    let (store, heard) = server(&database).await;
    create(&store, "kept").await;
    create(&store, "lost in the failover").await;
    // As if a standby had taken over that lacked the newest row.
    let failover = "BEGIN; DELETE FROM events WHERE seq = 2; UPDATE event_head SET seq = 1, epoch = 'other'; COMMIT";
    database.execute(failover).await;
    assert_eq!(database.number(KILL_LISTENERS).await, 1);
    wait_for("it begins again", || heard.opened().len() == 2).await;
    create(&store, "after").await;
    let (epoch, seq) = heard.opened()[1].clone();
    assert!(epoch.starts_with("other-") && seq == 0, "{epoch} {seq}");
    assert_eq!(heard.projects(), ["kept", "lost in the failover", "kept", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_epoch_has_the_timeline_of_the_write_ahead_log() {
    let Some(database) = Database::postgres().await else { return };
    let (_store, heard) = server(&database).await;
    let (epoch, _) = heard.opened().remove(0);
    // A new cluster is on timeline 1.
    assert!(epoch.len() == 32 + 9 && epoch.ends_with("-00000001"), "{epoch}");
}

/// A claim does not lock its project. What it announces about the frame is read once nothing can be announced before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_announces_no_older_state_of_its_frame_than_is_announced_already() {
    let Some(database) = Database::postgres().await else { return };
    let (store, heard) = server(&database).await;
    let project = create(&store, "Storm").await.id;
    let (frame, _) = new_frame(&store, project).await;
    let (client, connection) = tokio_postgres::connect(&database.url, tokio_postgres::NoTls).await.expect("connected");
    tokio::spawn(connection);
    client.batch_execute("BEGIN; SELECT seq FROM event_head FOR UPDATE").await.expect("another change commits");
    let claiming = tokio::spawn(async move { store.claim_task().await });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while database.number(waits).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let change = format!("UPDATE frames SET duration = 7 WHERE id = {}; COMMIT", frame.id);
    client.batch_execute(&change).await.expect("committed");
    claiming.await.expect("no panic").expect("claimed").expect("a task");
    let told = heard.entries().into_iter().rev().find_map(|entry| match entry.change {
        Change::Event { event: Event::FrameUpdated(it), .. } => Some(it.frame.duration),
        _ => None,
    });
    assert_eq!(told, Some(7));
}
