//! How processes that do not follow the log hear that a task waits, and of their own changes.

use crate::database::{Database, create};
use crate::runs::{renew, run_of, servers, step};
use crate::studio::{cancel, claim, new_frame};
use crate::workers::{has, with_model};
use protocol::{Event, TaskStatus};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use store::{Change, End, LogEntry, RunRequest, RunsNow, Store, Subscriber, Wishes};

/// Less than the time after which a process looks by itself.
const SOON: Duration = Duration::from_millis(300);
/// Longer than that.
const LOOKED: Duration = Duration::from_secs(4);
const LEASE: Duration = Duration::from_secs(600);

async fn expects(store: &Store, at_most: Duration) -> bool {
    store.expect_task(at_most).await.expect("answered")
}

/// A registered process with this model, which waits.
async fn waiting(database: &Database, model: &str) -> Store {
    let store = database.open().await;
    store.set_lease(LEASE);
    has(&store, &[model]);
    renew(&store, &[]).await;
    assert!(expects(&store, SOON).await, "a task may have been queued before");
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_waits_hears_of_a_task_that_it_could_start_and_of_no_other() {
    let Some((database, one, _two, project)) = servers().await else { return };
    let worker = waiting(&database, "it's").await;
    with_model(&one, project, "other").await;
    assert!(!expects(&worker, SOON).await, "it does not have the model");
    let asked = Instant::now();
    let queued = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        with_model(&one, project, "it's").await;
    };
    let (heard, ()) = tokio::join!(expects(&worker, LEASE), queued);
    assert!(heard && asked.elapsed() < SOON, "{:?}", asked.elapsed());
    claim(&worker).await;
    // It does something else now.
    worker.expect_no_task().await.expect("answered");
    worker.expect_no_task().await.expect("nothing to do");
    assert_eq!(database.number("SELECT count(*) FROM servers WHERE waits IS NOT NULL").await, 0);
    with_model(&one, project, "it's").await;
    assert!(expects(&worker, SOON).await, "the first call is a sign");
    assert!(!expects(&worker, SOON).await, "what was queued before is no second one");
    // One that drains starts nothing.
    one.set_draining(&worker.server_id().expect("on PostgreSQL"), true).await.expect("recorded");
    with_model(&one, project, "it's").await;
    assert!(!expects(&worker, SOON).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_wait_a_few_are_woken() {
    let Some((database, one, _two, project)) = servers().await else { return };
    let mut workers = Vec::new();
    for _ in 0..8 {
        workers.push(waiting(&database, "it's").await);
    }
    with_model(&one, project, "it's").await;
    let waits = |worker: Store| tokio::spawn(async move { expects(&worker, SOON).await });
    let mut woken = 0;
    for waits in workers.into_iter().map(waits).collect::<Vec<_>>() {
        woken += usize::from(waits.await.expect("no panic"));
    }
    assert_eq!(woken, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_not_woken_looks_by_itself() {
    let Some((database, one, _two, project)) = servers().await else { return };
    let worker = waiting(&database, "it's").await;
    // As if others had been named.
    database.execute("UPDATE servers SET waits = NULL").await;
    with_model(&one, project, "it's").await;
    assert!(!expects(&worker, SOON).await);
    let deadline = Instant::now() + LOOKED;
    while !expects(&worker, SOON).await {
        assert!(Instant::now() < deadline, "not within {LOOKED:?}");
    }
    assert_eq!(database.number("SELECT count(*) FROM servers WHERE waits = '{it''s}'").await, 1, "it says so again");
    // The connection is lost: it listens again.
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE application_name = 'emberline (wake-ups)' AND datname = current_database()";
    assert_eq!(database.number(kill).await, 1);
    let deadline = Instant::now() + LOOKED;
    while worker.expect_task(SOON).await.is_ok() {
        assert!(Instant::now() < deadline, "the lost connection is not noticed");
    }
    assert!(expects(&worker, SOON).await && !expects(&worker, SOON).await);
    with_model(&one, project, "it's").await;
    assert!(expects(&worker, SOON).await);
}

#[derive(Default)]
struct Own(Mutex<Vec<LogEntry>>);

impl Subscriber for Own {
    fn log_opened(&self, _: &str, _: u64) {}
    fn committed(&self, entries: Vec<LogEntry>) {
        self.0.lock().expect("unpoisoned").extend(entries);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_follows_nothing_hears_of_its_own_changes_before_they_are_answered() {
    let Some((database, one, two, project)) = servers().await else { return };
    let own = Arc::new(Own::default());
    one.subscribe_to_own(own.clone());
    let (_, task) = new_frame(&two, project).await;
    create(&two, "another's").await;
    let heard = || std::mem::take(&mut *own.0.lock().expect("unpoisoned"));
    assert_eq!(heard(), [], "nothing of others");
    let open = claim(&one).await;
    let started = heard();
    assert!(started.iter().all(|entry| entry.seq.is_none()));
    let is_start = |entry: &LogEntry| matches!(&entry.change, Change::Event { event: Event::GenerationStarted(_), .. });
    assert_eq!(started.iter().filter(|entry| is_start(entry)).count(), 1);
    assert!(started.iter().any(|entry| entry.change == Change::Queue));
    cancel(&one, &task).await;
    let deleted = heard().into_iter().find_map(|entry| match entry.change {
        Change::Event { deleted_take, .. } => deleted_take,
        Change::Queue => None,
    });
    assert_eq!(deleted, Some(open.key));
    let reads = "SELECT count(*) FROM pg_stat_activity \
                 WHERE application_name = 'emberline (events)' AND datname = current_database()";
    assert_eq!(database.number(reads).await, 0);
}

/// What a process that hears no messages finds out by asking.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_asks_about_its_runs_hears_what_is_wanted_of_them_and_which_are_over() {
    let Some((_database, one, two, project)) = servers().await else { return };
    [&one, &two].iter().for_each(|store| store.set_lease(LEASE));
    for _ in 0..2 {
        new_frame(&one, project).await;
    }
    let (open, foreign) = (claim(&one).await, claim(&two).await);
    let (run, none) = (run_of(&open), Wishes::default());
    let ask = async || one.ask_about_runs(&[run, run_of(&foreign)], LEASE).await.expect("answered");
    assert_eq!(one.ask_about_runs(&[], LEASE).await.expect("answered"), RunsNow::default());
    let RunsNow { wishes, log } = ask().await;
    assert_eq!(wishes, [(run, none)], "the other one is not its own");
    assert_eq!(ask().await, RunsNow { wishes, log }, "nothing has changed");
    let asked = two.ask_run(run.task, &RunRequest::Pause).await.expect("asked").expect("it runs");
    let has_requests = Wishes { has_requests: true, ..none };
    assert_eq!(ask().await.wishes, [(run, has_requests)]);
    assert_eq!(one.report_step(step(&open, 1), None).await.expect("reported"), Some(has_requests));
    one.requests_done(&[asked]).await.expect("recorded");
    two.keep_run(run.task).await.expect("asked");
    let keep = Wishes { keep: true, ..none };
    assert_eq!(ask().await, RunsNow { wishes: vec![(run, keep)], log }, "a request is no change");
    assert_eq!(one.report_step(step(&open, 2), None).await.expect("reported"), Some(keep));
    assert!(one.has_take(&open.key).await.expect("answered"));
    two.end_task(run.task, &[TaskStatus::Running], End::Cancelled).await.expect("cancelled");
    let now = ask().await;
    assert!(now.wishes.is_empty() && now.log > log, "{now:?}");
    assert!(!one.has_take(&open.key).await.expect("answered"));
}
