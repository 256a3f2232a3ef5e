//! Runs on PostgreSQL: leases, fencing, turns, and what servers tell each other. A server is a store of its own: two of them
//! meet only in the database.

use crate::database::{Database, create};
use crate::studio::{claim, conflict, finish, generate, new_frame};
use protocol::{FrameId, GenerationIds, GenerationProgress, ProjectId, TakeId, TaskId, TaskStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use store::{Live, LogEntry, OpenTask, Renewed, Run, RunEnd, Store, StoreError, Subscriber, Wishes};

/// Short, so that the tests do not wait.
const LEASE: Duration = Duration::from_millis(400);
const ANSWER: Duration = Duration::from_secs(10);

/// Two servers, and a project.
pub async fn servers() -> Option<(Database, Store, Store, ProjectId)> {
    let database = Database::postgres().await?;
    let (one, two) = (database.open().await, database.open().await);
    [&one, &two].iter().for_each(|store| store.set_lease(LEASE));
    let project = create(&one, "Storm").await.id;
    Some((database, one, two, project))
}

pub fn run_of(open: &OpenTask) -> Run {
    Run { task: open.task.id, attempt: open.task.attempt }
}

pub async fn renew(store: &Store, runs: &[Run]) -> Renewed {
    store.renew_runs(runs, ANSWER).await.expect("renewed")
}

/// Waits until another server sees that the run is over.
async fn expired(by: &Store, run: Run) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !renew(by, &[]).await.expired.contains(&run) {
        assert!(Instant::now() < deadline, "not over within 20 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_server_is_gone_is_queued_again_and_the_server_can_change_nothing_more() {
    let Some((database, one, two, project)) = servers().await else { return };
    new_frame(&one, project).await;
    let first = claim(&one).await;
    let run = run_of(&first);
    assert_eq!(two.end_expired_run(run, None).await.expect("answered"), RunEnd::No, "its lease is not over");
    expired(&two, run).await;
    assert_eq!(two.end_expired_run(run, None).await.expect("queued again"), RunEnd::Queued);
    assert_eq!(two.end_expired_run(run, None).await.expect("answered"), RunEnd::No, "once");
    // Its task waits.
    conflict(one.complete_task(run.task, 1, "late".into(), 30).await);
    conflict(one.fail_attempt(run.task, 1, "late".into()).await);
    assert_eq!(renew(&one, &[run]).await.mine, []);
    let second = claim(&two).await;
    assert_eq!((second.task.id, second.task.attempt, second.unclean_ends), (run.task, 2, 1));
    // Another server runs it.
    conflict(one.complete_task(run.task, 1, "late".into(), 30).await);
    conflict(one.fail_attempt(run.task, 1, "late".into()).await);
    assert_eq!(renew(&one, &[run, run_of(&second)]).await.mine, [], "the lease is the other server's");
    assert_eq!(one.give_back_run(run_of(&second), None).await.expect("answered"), RunEnd::No);
    assert_eq!(renew(&two, &[run_of(&second)]).await.mine, [(run_of(&second), false)]);
    finish(&two, &second).await;
    assert_eq!(database.number("SELECT count(*) FROM runs").await, 0);
}

/// The attempt alone would not tell: it is the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_cannot_end_a_run_that_another_one_holds() {
    let Some((_database, one, two, project)) = servers().await else { return };
    new_frame(&one, project).await;
    let open = claim(&one).await;
    let why = conflict(two.complete_task(open.task.id, 1, "e".into(), 30).await);
    assert_eq!(why, format!("task {} runs on another server (attempt 1)", open.task.id));
    conflict(two.fail_attempt(open.task.id, 1, "no".into()).await);
    assert_eq!(two.give_back_run(run_of(&open), None).await.expect("answered"), RunEnd::No);
    finish(&one, &open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_renewed_is_nobody_elses() {
    let Some((_database, one, two, project)) = servers().await else { return };
    new_frame(&one, project).await;
    let run = run_of(&claim(&one).await);
    let until = Instant::now() + 4 * LEASE;
    while Instant::now() < until {
        assert_eq!(renew(&one, &[run]).await.mine, [(run, false)]);
        assert_eq!(renew(&two, &[run]).await, Renewed::default());
        tokio::time::sleep(LEASE / 8).await;
    }
    // One that is over but that nobody has taken up is renewed: the database was away.
    tokio::time::sleep(2 * LEASE).await;
    assert_eq!(renew(&one, &[run]).await.mine, [(run, false)]);
    assert_eq!(two.end_expired_run(run, None).await.expect("answered"), RunEnd::No, "renewed in between");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_has_lost_its_server_three_times_fails() {
    let Some((_database, one, two, project)) = servers().await else { return };
    let (_, task) = new_frame(&one, project).await;
    for lost in 1..=3 {
        let run = run_of(&claim(&one).await);
        assert_eq!(run.attempt, lost);
        expired(&two, run).await;
        let old = Run { attempt: lost - 1, ..run };
        assert_eq!(
            two.end_expired_run(old, None).await.expect("answered"),
            RunEnd::No,
            "from a list that is out of date"
        );
        let expected = if lost < 3 { RunEnd::Queued } else { RunEnd::Failed };
        assert_eq!(two.end_expired_run(run, None).await.expect("ended"), expected);
    }
    let task = one.get_task(task.id).await.expect("the task");
    let why = task.error.expect("a reason");
    assert!(task.status == TaskStatus::Failed && why.starts_with("its server was lost 3 times"), "{why}");
    assert_eq!(one.claim_task().await.expect("answered"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_are_given_back_are_not_counted_as_lost() {
    let Some((_database, one, two, project)) = servers().await else { return };
    new_frame(&one, project).await;
    new_frame(&one, project).await;
    let (first, second) = (run_of(&claim(&one).await), run_of(&claim(&one).await));
    assert_eq!(one.own_runs().await.expect("listed").len(), 2);
    assert_eq!(two.own_runs().await.expect("listed"), []);
    assert_eq!(one.give_back_run(first, None).await.expect("queued"), RunEnd::Queued);
    let stopped = "the server stopped".to_owned();
    assert_eq!(one.give_back_run(second, Some(stopped.clone())).await.expect("failed"), RunEnd::Failed);
    assert_eq!(one.get_task(second.task).await.expect("the task").error, Some(stopped));
    let again = claim(&two).await;
    assert_eq!((run_of(&again), again.unclean_ends), (Run { task: first.task, attempt: 2 }, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_a_running_tasks_status_ends_its_run() {
    let Some((database, one, _two, project)) = servers().await else { return };
    for status in ["queued", "completed", "failed", "cancelled"] {
        new_frame(&one, project).await;
        let id = claim(&one).await.task.id;
        let ended = if status == "queued" { "NULL" } else { "1" };
        let change =
            format!("UPDATE tasks SET status = '{status}', error = 'e', finished_at = {ended} WHERE id = {id}");
        assert_eq!(database.number("SELECT count(*) FROM runs").await, 1);
        database.execute(&change).await;
        assert_eq!(database.number("SELECT count(*) FROM runs").await, 0, "{status}");
        database.execute(&format!("DELETE FROM tasks WHERE id = {id}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_queue_is_paused_no_server_gets_a_task() {
    let Some((_database, one, two, project)) = servers().await else { return };
    new_frame(&one, project).await;
    two.set_queue_paused(true).await.expect("paused");
    assert_eq!(one.claim_task().await.expect("answered"), None);
    two.set_queue_paused(false).await.expect("resumed");
    claim(&one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_take_turns_and_the_queue_is_listed_in_that_order() {
    let Some((_database, one, two, flood)) = servers().await else { return };
    let other = create(&one, "newcomer").await.id;
    [&one, &two].iter().for_each(|store| store.take_turns());
    generate(&one, flood, None, 6).await;
    let running = claim(&one).await;
    let late: Vec<TaskId> = generate(&one, other, None, 3).await.tasks.iter().map(|task| task.id).collect();
    let listed = one.get_queue().await.expect("the queue");
    let waiting: Vec<_> = listed.iter().filter(|task| task.status == TaskStatus::Queued).collect();
    let projects: Vec<ProjectId> = waiting.iter().map(|task| task.project_id).collect();
    assert_eq!(projects, [other, flood, other, flood, other, flood, flood, flood], "a running task counts");
    assert_eq!(waiting[0].id, late[0]);
    let order: Vec<TaskId> = waiting.iter().map(|task| task.id).collect();
    for (n, expected) in order.into_iter().enumerate() {
        let store = if n % 2 == 0 { &one } else { &two };
        assert_eq!(claim(store).await.task.id, expected, "{n}");
    }
    finish(&one, &running).await;
}

/// A task that another transaction has locked is skipped, not waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_waits_for_no_other_claim() {
    let Some((database, one, _two, project)) = servers().await else { return };
    let (_, first) = new_frame(&one, project).await;
    let (_, second) = new_frame(&one, project).await;
    let (client, connection) = tokio_postgres::connect(&database.url, tokio_postgres::NoTls).await.expect("connected");
    tokio::spawn(connection);
    let lock = format!("BEGIN; SELECT id FROM tasks WHERE id = {} FOR UPDATE", first.id);
    client.batch_execute(&lock).await.expect("another server is about to claim it");
    let claimed = tokio::time::timeout(Duration::from_secs(2), claim(&one)).await.expect("at once");
    assert_eq!(claimed.task.id, second.id);
}

/// Without the limit, one process that hangs in a transaction would stop every server for as long.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_waits_for_a_lock_for_some_seconds_only() {
    let Some((database, one, _two, project)) = servers().await else { return };
    let (client, connection) = tokio_postgres::connect(&database.url, tokio_postgres::NoTls).await.expect("connected");
    tokio::spawn(connection);
    let lock = format!("BEGIN; SELECT id FROM projects WHERE id = {project} FOR UPDATE");
    client.batch_execute(&lock).await.expect("locked");
    let refused = tokio::time::timeout(Duration::from_secs(20), one.delete_project(project)).await.expect("in time");
    assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
    client.batch_execute("ROLLBACK").await.expect("unlocked");
    one.delete_project(project).await.expect("deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_knows_the_other_servers_and_takes_up_what_its_predecessor_left() {
    let Some((database, one, two, project)) = servers().await else { return };
    let id = one.server_id().expect("on PostgreSQL");
    assert_ne!(Some(&id), two.server_id().as_ref());
    let start = one.begin_start(None).await.expect("begun").expect("on PostgreSQL");
    assert_eq!((start.others, start.left.len()), (0, 0));
    one.end_start(start).await.expect("registered");
    new_frame(&one, project).await;
    let run = run_of(&claim(&one).await);
    let start = two.begin_start(Some("0123456789abcdef")).await.expect("begun").expect("on PostgreSQL");
    assert_eq!((start.others, start.left.len()), (1, 0), "the first server lives");
    // A third start waits until the second is over.
    let three = database.open().await;
    let third = tokio::spawn(async move { three.begin_start(Some(&id)).await.expect("begun").expect("on PostgreSQL") });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!third.is_finished());
    two.end_start(start).await.expect("registered");
    // The third is the successor of the first, which it knows to be dead.
    let start = third.await.expect("no panic");
    assert_eq!((start.others, &start.left), (1, &vec![run]));
    assert_eq!(two.end_expired_run(run, None).await.expect("queued"), RunEnd::Queued, "without waiting for the lease");
    two.unregister().await.expect("gone");
    assert_eq!(database.number("SELECT count(*) FROM servers").await, 0);
    assert!(Database::sqlite().open().await.begin_start(None).await.expect("answered").is_none());
}

#[derive(Default)]
pub struct Heard(Mutex<Vec<Live>>);

impl Subscriber for Heard {
    fn log_opened(&self, _: &str, _: u64) {}
    fn committed(&self, _: Vec<LogEntry>) {}
    fn heard(&self, messages: Vec<Live>) {
        self.0.lock().expect("unpoisoned").extend(messages);
    }
}

impl Heard {
    pub async fn of(store: &Store) -> Arc<Self> {
        let heard = Arc::new(Self::default());
        store.subscribe(heard.clone()).await.expect("subscribed");
        heard
    }

    pub fn take(&self) -> Vec<Live> {
        std::mem::take(&mut self.0.lock().expect("unpoisoned"))
    }

    pub async fn next(&self) -> Vec<Live> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let heard = self.take();
            if !heard.is_empty() {
                return heard;
            }
            assert!(Instant::now() < deadline, "nothing was heard within 20 s");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

pub fn step(open: &OpenTask, step: u32) -> GenerationProgress {
    let (task_id, attempt) = (open.task.id, open.task.attempt);
    let (frame_id, project_id, take_id) = (FrameId(1), ProjectId(1), TakeId(1));
    let of = GenerationIds { task_id, frame_id, project_id, take_id, attempt };
    let waiting_for = Some("it's full".to_owned());
    GenerationProgress { of, step, total_steps: 30, preview_path: "/p".into(), eta_ms: None, waiting_for }
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_reach_the_other_servers_unless_the_run_is_lost() {
    let Some((_database, one, two, project)) = servers().await else { return };
    let (at_one, at_two) = (Heard::of(&one).await, Heard::of(&two).await);
    new_frame(&one, project).await;
    let open = claim(&one).await;
    assert_eq!(one.report_step(step(&open, 7), None).await.expect("reported"), Some(Wishes::default()));
    let server = one.server_id().expect("on PostgreSQL");
    assert_eq!(at_two.next().await, [Live::Progress { server, event: step(&open, 7) }]);
    expired(&two, run_of(&open)).await;
    two.end_expired_run(run_of(&open), None).await.expect("queued again");
    let again = claim(&two).await;
    // From the dead: nobody hears it. The next message would come after it.
    assert_eq!(one.report_step(step(&open, 8), None).await.expect("answered"), None);
    let three = Heard::of(&one).await;
    assert!(three.take().is_empty());
    assert_eq!(one.keep_run(open.task.id).await.expect("asked"), Some(2));
    assert_eq!(at_two.next().await, [Live::Keep(run_of(&again))]);
    assert_eq!(at_one.next().await, [Live::Keep(run_of(&again))], "and not its own steps");
    assert_eq!(renew(&two, &[run_of(&again)]).await.mine, [(run_of(&again), true)], "also if the message is lost");
    assert_eq!(one.keep_run(TaskId(999)).await.expect("answered"), None);
}
