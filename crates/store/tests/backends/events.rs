//! What a subscriber hears of committed changes: each once, in commit order.

use crate::database::{Database, cancel_at, create, new_project};
use crate::on_both;
use crate::studio::{cancel, claim, finish, finished_take, generate, key, new_frame, ready_frame};
use protocol::{Event, FramePatch, ProjectPatch};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use store::{Change, LogEntry, Store, Subscriber};

on_both![
    each_change_says_what_it_did,
    what_changes_nothing_says_nothing,
    a_slow_announcement_is_not_overtaken_by_a_later_commit,
    a_change_whose_caller_is_gone_is_announced,
    a_failed_change_announces_nothing,
];

/// Writes down what it hears; the first announcement takes `delay`.
#[derive(Default)]
struct Recorder {
    heard: Mutex<Vec<Change>>,
    delay: Duration,
    is_later: Mutex<bool>,
}

impl Subscriber for Recorder {
    fn log_opened(&self, _: &str, _: u64) {}

    fn committed(&self, entries: Vec<LogEntry>) {
        if !std::mem::replace(&mut *self.is_later.lock().expect("unpoisoned"), true) {
            std::thread::sleep(self.delay);
        }
        self.heard.lock().expect("unpoisoned").extend(entries.into_iter().map(|entry| entry.change));
    }
}

impl Recorder {
    /// Hears what `store` commits from now on.
    async fn of(store: &Store, delay: Duration) -> Arc<Self> {
        let recorder = Arc::new(Self { delay, ..Self::default() });
        store.subscribe(recorder.clone()).await.expect("subscribed");
        recorder.take();
        recorder
    }

    /// What was heard since the last call.
    fn take(&self) -> Vec<Change> {
        std::mem::take(&mut self.heard.lock().expect("unpoisoned"))
    }

    /// As `take`: the names of the events, with a `+` where a take's file goes, and `queue` for a mark.
    fn names(&self) -> Vec<String> {
        self.take().iter().map(name).collect()
    }

    /// As `take`: the names of the projects in the events.
    fn projects(&self) -> Vec<String> {
        let project = |change| match change {
            Change::Event { event: Event::ProjectUpdated(it), .. } => Some(it.project.name),
            _ => None,
        };
        self.take().into_iter().filter_map(project).collect()
    }
}

fn name(change: &Change) -> String {
    let Change::Event { event, deleted_take } = change else { return "queue".to_owned() };
    let json = serde_json::to_value(event).expect("serializes");
    let name = json["type"].as_str().expect("a type");
    let name = if json["data"]["deleted"] == true { format!("{name}, deleted") } else { name.to_owned() };
    name + if deleted_take.is_some() { "+" } else { "" }
}

async fn each_change_says_what_it_did(database: &Database) {
    let store = database.open().await;
    let heard = Recorder::of(&store, Duration::ZERO).await;
    let project = create(&store, "Storm").await.id;
    assert_eq!(heard.names(), ["project_updated"]);
    let (frame, _) = new_frame(&store, project).await;
    assert_eq!(heard.names(), ["frame_created", "queue"]);
    let open = claim(&store).await;
    let told = heard.take();
    assert_eq!(told.iter().map(name).collect::<Vec<_>>(), ["generation_started", "frame_updated", "queue"]);
    let Change::Event { event: Event::GenerationStarted(started), .. } = &told[0] else { panic!("{told:?}") };
    assert_eq!((started.of.take_id, started.of.attempt, started.total_steps), (open.take_id, 1, 30));
    store.requeue_task(open.task.id).await.expect("queued again");
    assert_eq!(heard.names(), ["generation_interrupted", "frame_updated", "queue"]);
    let open = claim(&store).await;
    heard.take();
    store.pause_attempt(open.task.id, open.task.attempt, 8).await.expect("paused");
    let told = heard.take();
    assert_eq!(told.iter().map(name).collect::<Vec<_>>(), ["generation_paused", "frame_updated", "queue"]);
    let Change::Event { event: Event::GenerationPaused(paused), .. } = &told[0] else { panic!("{told:?}") };
    assert_eq!((paused.of.attempt, paused.step, paused.total_steps), (2, 8, 30));
    store.resume_task(open.task.id, false).await.expect("queued");
    assert_eq!(heard.names(), ["generation_resumed", "frame_updated", "queue"]);
    let open = claim(&store).await;
    heard.take();
    let ended = finish(&store, &open).await;
    let told = heard.take();
    assert_eq!(told.iter().map(name).collect::<Vec<_>>(), ["generation_completed", "frame_updated", "queue"]);
    let Change::Event { event: Event::GenerationCompleted(completed), .. } = &told[0] else { panic!("{told:?}") };
    assert_eq!((completed.step, completed.of.attempt, &completed.frame), (30, 3, &ended.frame));
    assert_eq!(Some(&completed.etag), ended.frame.as_ref().and_then(|frame| frame.etag.as_ref()));

    // A second take of the frame, and one of a new frame, which is removed with it.
    let second = generate(&store, project, Some(frame.id), 1).await.tasks.remove(0);
    assert_eq!(heard.names(), ["frame_updated", "queue"]);
    cancel(&store, &second).await;
    assert_eq!(heard.names(), ["generation_cancelled+", "frame_updated", "queue"]);
    new_frame(&store, project).await;
    let open = claim(&store).await;
    heard.take();
    store.fail_attempt(open.task.id, 1, "no memory".into()).await.expect("failed");
    assert_eq!(heard.names(), ["generation_failed+", "frame_deleted", "queue"]);
    store.retry_task(open.task.id, key()).await.expect("queued again");
    assert_eq!(heard.names(), ["frame_created", "queue"]);
    store.set_queue_paused(true).await.expect("paused");
    store.reorder_queue(&[open.task.id]).await.expect("reordered");
    assert_eq!(heard.names(), ["queue", "queue"]);

    store.update_frame(frame.id, FramePatch { position: Some(1), ..FramePatch::default() }).await.expect("moved");
    assert_eq!(heard.names(), ["frame_updated", "frame_updated"]);
    store.import_frame(project, Some(0), finished_take()).await.expect("imported");
    assert_eq!(heard.names(), ["frame_created", "frame_updated", "frame_updated"]);
    store.delete_frame(open.task.frame_id).await.expect("deleted");
    assert_eq!(heard.names(), ["frame_deleted", "queue"], "its task waits no longer");
    store.delete_frame(frame.id).await.expect("deleted");
    store.restore_frame(frame.id).await.expect("restored");
    assert_eq!(heard.names(), ["frame_deleted", "frame_created"]);
    store.update_project(project, ProjectPatch { fps: Some(5), ..ProjectPatch::default() }).await.expect("changed");
    store.delete_project(project).await.expect("deleted");
    store.restore_project(project).await.expect("restored");
    assert_eq!(heard.names(), ["project_updated", "project_updated, deleted", "queue", "project_updated"]);
}

async fn what_changes_nothing_says_nothing(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    ready_frame(&store, project).await;
    let heard = Recorder::of(&store, Duration::ZERO).await;
    assert_eq!(store.claim_task().await.expect("an answer"), None);
    store.list_frames(project).await.expect("the timeline");
    store.purge_frames(Duration::from_secs(1)).await.expect("nothing to purge");
    assert_eq!(heard.names(), [""; 0]);
}

/// The first commit's announcement takes long, and a second commit is made meanwhile if anything lets it. Announced
/// after the connection is given back, the second overtook the first, and pages showed the older state for ever.
async fn a_slow_announcement_is_not_overtaken_by_a_later_commit(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "before").await.id;
    let heard = Recorder::of(&store, Duration::from_millis(300)).await;
    let rename = |name: &str| {
        let (store, name) = (store.clone(), Some(name.to_owned()));
        tokio::spawn(async move {
            let patch = ProjectPatch { name, ..ProjectPatch::default() };
            store.update_project(project, patch).await.expect("renamed")
        })
    };
    let all: Vec<_> = ["one", "two", "three", "four"].into_iter().map(rename).collect();
    for renamed in all {
        renamed.await.expect("no panic");
    }
    let told = heard.projects();
    assert_eq!(told.len(), 4, "{told:?}");
    let stored = store.get_project(project).await.expect("the project").name;
    assert_eq!(told.last(), Some(&stored), "the newest state is announced last: {told:?}");
}

async fn a_change_whose_caller_is_gone_is_announced(database: &Database) {
    let store = database.open().await;
    let heard = Recorder::of(&store, Duration::ZERO).await;
    let rounds = 60;
    for n in 0..rounds {
        cancel_at(1 + n % 12, store.create_project(new_project(&format!("dropped {n}")))).await;
    }
    let mut told = BTreeSet::new();
    let deadline = Instant::now() + Duration::from_secs(30);
    while told.len() < rounds && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
        for name in heard.projects() {
            assert!(told.insert(name.clone()), "{name} twice");
        }
    }
    let stored = store.all_projects().await.expect("the list");
    assert_eq!(told, stored.into_iter().map(|project| project.name).collect());
    assert_eq!(told.len(), rounds);
}

async fn a_failed_change_announces_nothing(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (_, task) = new_frame(&store, project).await;
    let heard = Recorder::of(&store, Duration::ZERO).await;
    store.complete_task(task.id, 1, "early".into(), 1).await.expect_err("it does not run");
    store.retry_task(task.id, key()).await.expect_err("it has not ended");
    store.delete_frame(protocol::FrameId(99)).await.expect_err("there is no such frame");
    assert_eq!(heard.names(), [""; 0]);
}
