//! Tests of hubs that share a log: two servers on one PostgreSQL.

use super::{Hub, Position, Reader};
use protocol::{Event, FrameId, GenerationIds, GenerationProgress, NewProject, ProjectId, TakeId, TaskId};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use store::Store;
use tokio::task::spawn_blocking;

struct Server {
    hub: Arc<Hub>,
    store: Store,
}

/// A server on this database; each call is another one.
async fn server(url: &str) -> Server {
    let (hub, store) = (Arc::new(Hub::new()), Store::open(url).await.expect("the database opens"));
    store.subscribe(hub.clone()).await.expect("the log is followed");
    Server { hub, store }
}

/// The address of a new database; none if PostgreSQL is not installed.
async fn database() -> Option<String> {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let name = format!("hubs_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    spawn_blocking(move || Some(test_postgres::cluster()?.create(&name))).await.expect("no panic")
}

impl Server {
    async fn create(&self, name: &str) {
        let new = NewProject { name: name.to_owned(), width: 64, height: 64, fps: 1 };
        self.store.create_project(new).await.expect("created");
    }

    fn join(&self, since: Option<(String, u64)>) -> super::Subscription {
        let (epoch, since) = since.unzip();
        self.hub.subscribe(&Position { epoch, since, project_id: None })
    }
}

fn progress(step: u32) -> Event {
    let (task_id, frame_id, project_id, take_id) = (TaskId(1), FrameId(1), ProjectId(1), TakeId(1));
    let of = GenerationIds { task_id, frame_id, project_id, take_id, attempt: 1 };
    let preview_path = String::new();
    Event::GenerationProgress(GenerationProgress {
        of,
        step,
        total_steps: 99,
        preview_path,
        eta_ms: None,
        waiting_for: None,
    })
}

/// What waits for a reader: the whole messages.
fn waiting(reader: &Reader) -> Vec<String> {
    std::iter::from_fn(|| reader.try_next()).map(|entry| entry.text.to_string()).collect()
}

fn numbers(messages: &[String]) -> Vec<u64> {
    let number = |text: &String| serde_json::from_str::<serde_json::Value>(text).expect("JSON")["seq"].as_u64();
    messages.iter().filter_map(number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_send_the_same_messages_in_the_same_order() {
    let Some(url) = database().await else { return };
    let servers = [Arc::new(server(&url).await), Arc::new(server(&url).await)];
    let readers = servers.each_ref().map(|server| server.join(None).reader);
    let writer = |number: usize| {
        let server = Arc::clone(&servers[number % 2]);
        tokio::spawn(async move {
            for n in 0..10 {
                server.create(&format!("{number}, {n}")).await;
            }
        })
    };
    for writer in (0..16).map(writer).collect::<Vec<_>>() {
        writer.await.expect("no panic");
    }
    // The tail of each waits for the log's newest number.
    for server in &servers {
        server.store.published(160).await;
    }
    let [one, two] = readers.each_ref().map(|reader| waiting(reader));
    assert_eq!(one, two, "byte for byte");
    assert_eq!(numbers(&one), (1..=160).map(|entry| entry << 16).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_continues_on_another_server_and_after_a_restart() {
    let Some(url) = database().await else { return };
    let (one, two) = (server(&url).await, server(&url).await);
    one.create("seen").await;
    (1..=3).for_each(|step| one.hub.publish(progress(step)));
    let position = one.hub.position();
    assert_eq!(position.1, (1 << 16) + 3);
    one.create("missed").await;
    two.store.published(2).await;
    // A third server starts after all that: it has read the log.
    let three = server(&url).await;
    for other in [&one, &two, &three] {
        let subscription = other.join(Some(position.clone()));
        assert_eq!((subscription.resync, subscription.seq), (None, 2 << 16));
        let received = waiting(&subscription.reader);
        assert!(received.len() == 1 && received[0].contains("\"missed\""), "{received:?}");
        assert_eq!(numbers(&received), [2 << 16]);
    }
    let other_epoch = two.join(Some(("another".to_owned(), position.1)));
    assert!(other_epoch.resync.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_after_a_change_of_servers_is_numbered_after_the_others() {
    let Some(url) = database().await else { return };
    let (one, two) = (server(&url).await, server(&url).await);
    one.create("seen").await;
    two.store.published(1).await;
    (1..=50).for_each(|step| one.hub.publish(progress(step)));
    let position = one.hub.position();
    let subscription = two.join(Some(position.clone()));
    assert_eq!(subscription.resync, None);
    two.hub.publish(progress(51));
    let received = waiting(&subscription.reader);
    assert_eq!(numbers(&received), [position.1 + 1], "a page ignores numbers that it has seen");
    assert_eq!(two.join(Some((position.0, 9 << 16))).resync, Some("the server has no event of that number yet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_behind_waits_for_the_clients_number() {
    let Some(url) = database().await else { return };
    let (one, two) = (server(&url).await, server(&url).await);
    let (epoch, _) = one.hub.position();
    let position = |since| Position { epoch: Some(epoch.clone()), since: Some(since), project_id: None };
    let began = Instant::now();
    for n in 1..=20_u64 {
        one.create(&format!("{n}")).await;
        if let Some(entry) = two.hub.is_behind(&position(n << 16)) {
            assert_eq!(entry, n);
            two.store.published(entry).await;
        }
        assert_eq!(two.hub.is_behind(&position(n << 16)), None);
        assert_eq!(two.hub.subscribe(&position(n << 16)).resync, None);
    }
    assert!(began.elapsed() < Duration::from_secs(20), "each wait ends with the event and not with its time limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_epoch_ends_the_connections() {
    let Some(url) = database().await else { return };
    let one = server(&url).await;
    one.create("before").await;
    let (position, reader) = (one.hub.position(), one.join(None).reader);
    let database = url.trim_start_matches("postgres:///").split('?').next().expect("a name").to_owned();
    let failover = "UPDATE event_head SET epoch = 'other'; SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                    WHERE application_name = 'emberline (events)' AND datname = current_database()";
    let cluster = move || test_postgres::cluster().expect("it runs").execute(&database, failover);
    assert_eq!(spawn_blocking(cluster).await.expect("no panic"), "1");
    let ended = tokio::time::timeout(Duration::from_secs(20), reader.next()).await;
    assert!(ended.expect("within 20 s").is_err(), "its client connects again");
    let again = one.join(Some(position));
    assert_eq!((again.resync, &again.epoch[..6]), (Some("the server was restarted"), "other-"));
}
