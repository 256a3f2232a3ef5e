//! Many workers on one PostgreSQL, in one process, whose steps take a second of sleep: everything but the sampler is real, also
//! leases, claims, steps with previews, and the log. A server without workers and one of its WebSockets watch. Prints
//! - how long claims took, and from an entry in the log, and from the end of a step, to the socket's message;
//! - leases that ended;
//! - how long the first pictures of newcomers waited while one project has hundreds of pictures waiting;
//! - what was asked of the database: transactions, connections, and the statements of each kind.
//!
//! Fails if a lease ended, if the 95th percentile of claims is over 50 ms, of an entry to the socket over 100 ms, or if a newcomer
//! waited for longer than a picture takes. All processes and PostgreSQL (with `fsync`) run on this machine.
//!
//! `cargo bench --bench rehearse` (with `-- WORKERS SECONDS` to change 100 workers for 60 seconds; with `-- follow` the workers hear of
//! everything, as servers do: what that costs).

#[path = "support/machine.rs"]
mod machine;
#[path = "support/percentiles.rs"]
mod percentiles;
#[path = "support/workers.rs"]
mod workers;

use machine::Machine;
use percentiles::Percentiles;
use protocol::WorkerKind;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use test_postgres::Cluster;
use workers::{Noted, Workers};

/// Sampling steps of a picture, of a second each.
const STEPS: u32 = 8;
/// Most tasks that wait.
const WAITING: usize = 900;
/// Tasks of one request.
const AT_ONCE: usize = 16;
/// Time between two newcomers.
const NEWCOMERS: Duration = Duration::from_secs(5);

const CLAIM_P95_MS: f64 = 50.0;
const TOLD_P95_MS: f64 = 100.0;

/// When each message of the socket came, seconds since 1970: by its number, and by task and step.
#[derive(Default)]
struct Heard {
    by_seq: Mutex<HashMap<u64, f64>>,
    steps: Mutex<HashMap<(i64, u64), f64>>,
    started: Mutex<HashMap<i64, Instant>>,
}

fn main() {
    // cargo adds the argument `--bench`.
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let (count, seconds) = (numbers.next().unwrap_or(100), numbers.next().unwrap_or(60));
    let connections = 100 + 8 * count;
    let options = format!("-c max_connections={connections} -c fsync=on -c full_page_writes=on");
    let Some(cluster) = test_postgres::cluster_with(&options) else { return };
    let (url, pictures) = (cluster.create("rehearsal"), tempfile::tempdir().expect("a folder"));
    let media = pictures.path().display().to_string();
    let web = Machine::serve(&[
        "--concurrency",
        "0",
        "--model",
        workers::MODEL,
        "--database-url",
        &url,
        "--media-url",
        &media,
    ]);
    let (heard, is_over) = (Arc::new(Heard::default()), Arc::new(AtomicBool::new(false)));
    listen(&web, &heard, &is_over);
    let flood = web.project("flood");
    fill(&web, &flood);
    // Spread over the time of a picture, so that they do not all end at the same time.
    let apart = Duration::from_secs(STEPS.into()).div_f64(count as f64);
    let kind = match std::env::args().any(|argument| argument == "follow") {
        true => WorkerKind::Server,
        false => WorkerKind::Worker,
    };
    let workers = Workers::start(&url, pictures.path(), (usize::try_from(count).expect("a number"), kind), apart);
    println!("{count} workers, {STEPS} steps of a second a picture, for {seconds} s");
    let calls = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'rehearsal'";
    let (before, began) = (number(&cluster, calls), Instant::now());
    let waits = keep_full(&web, &flood, Duration::from_secs(seconds), &heard);
    let calls = (number(&cluster, calls) - before) as f64 / began.elapsed().as_secs_f64();
    let used = cluster.execute("rehearsal", "SELECT count(*) FROM pg_stat_activity WHERE datname = 'rehearsal'");
    println!("{calls:.0} transactions a second, {used} connections to PostgreSQL");
    for (call, (mean_ms, calls)) in workers.calls() {
        println!("{call}: {calls} of {mean_ms:.1} ms");
    }
    let noted = workers.noted();
    let is_kept = report(&cluster, &noted, &heard, waits);
    is_over.store(true, Ordering::Relaxed);
    drop(workers);
    assert!(is_kept, "a promise is broken");
}

/// Prints the figures. Returns whether the promises are kept.
fn report(cluster: &Cluster, noted: &Noted, heard: &Heard, waits: Vec<f64>) -> bool {
    let claims = Percentiles::of(noted.claims_ms.clone());
    println!("claim: {claims}");
    let log = cluster.execute("rehearsal", "SELECT seq || ' ' || extract(epoch FROM at) FROM events ORDER BY seq");
    let by_seq = heard.by_seq.lock().expect("unpoisoned");
    let told = log.lines().filter_map(|line| {
        let (seq, at) = line.split_once(' ')?;
        Some(1000.0 * (by_seq.get(&seq.parse().ok()?)? - at.parse::<f64>().ok()?))
    });
    let told = Percentiles::of(told.collect());
    println!("entry in the log to the socket: {told}");
    let steps = heard.steps.lock().expect("unpoisoned");
    let shown = noted.steps.iter().filter_map(|(step, at)| Some(1000.0 * (steps.get(step)? - at)));
    println!("end of a step to the socket: {}", Percentiles::of(shown.collect()));
    let expired: u64 = number(cluster, "SELECT count(*) FROM tasks WHERE unclean_ends > 0 OR attempt > 1");
    let completed: u64 = number(cluster, "SELECT count(*) FROM tasks WHERE status = 'completed'");
    let failed: u64 = number(cluster, "SELECT count(*) FROM tasks WHERE status = 'failed'");
    println!("{completed} pictures, {failed} failed; leases that ended: {expired}");
    let newcomers = Percentiles::of(waits);
    println!("newcomer's first picture starts after: {newcomers}");
    let picture_ms = 1000.0 * f64::from(STEPS);
    let is_quick = claims.p95 <= CLAIM_P95_MS && told.p95 <= TOLD_P95_MS && newcomers.most <= picture_ms;
    is_quick && expired == 0 && failed == 0 && completed > 0
}

fn number(cluster: &Cluster, sql: &str) -> u64 {
    cluster.execute("rehearsal", sql).parse().expect("a number")
}

/// Notes what a socket of this server hears.
fn listen(web: &Machine, heard: &Arc<Heard>, is_over: &Arc<AtomicBool>) {
    let (mut socket, heard, is_over) = (web.socket(), Arc::clone(heard), Arc::clone(is_over));
    thread::spawn(move || {
        while let Some(event) = socket.next(None) {
            heard.note(&event);
        }
        assert!(is_over.load(Ordering::Relaxed), "the socket was closed");
    });
}

fn generate(web: &Machine, project: &Value, takes: usize) -> Value {
    let asked =
        json!({"prompt": "a star", "seed": 1, "steps": STEPS, "width": 64, "height": 64, "num_variants": takes});
    web.post(&format!("/api/v1/projects/{project}/generations"), &asked)["tasks"][0]["task_id"].clone()
}

/// Fills the queue with tasks of a project.
fn fill(web: &Machine, project: &Value) {
    let mut queue = ureq::get(format!("{}/api/v1/queue", web.url)).call().expect("the queue");
    let queue: Value = queue.body_mut().read_json().expect("JSON");
    let waiting = queue["tasks"].as_array().expect("tasks").iter().filter(|task| task["status"] == "queued");
    for _ in 0..WAITING.saturating_sub(waiting.count()) / AT_ONCE {
        generate(web, project, AT_ONCE);
    }
}

/// Keeps one project's queue full. Returns how long each newcomer waited, in milliseconds.
fn keep_full(web: &Machine, flood: &Value, lasts: Duration, heard: &Heard) -> Vec<f64> {
    let (started, mut newcomers) = (Instant::now(), Vec::new());
    while started.elapsed() < lasts {
        fill(web, flood);
        let asked = Instant::now();
        let id = generate(web, &web.project("newcomer"), 1).as_i64().expect("an id");
        newcomers.push((id, asked));
        thread::sleep(NEWCOMERS);
    }
    let started = heard.started.lock().expect("unpoisoned");
    // One that has not started yet has waited for the time until now, which is longer than a picture takes.
    let wait = |(id, asked): (i64, Instant)| started.get(&id).map_or(asked.elapsed(), |at| *at - asked);
    newcomers.into_iter().map(|newcomer| 1000.0 * wait(newcomer).as_secs_f64()).collect()
}

impl Heard {
    fn note(&self, event: &Value) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
        let task = event["data"]["task_id"].as_i64();
        match (event["type"].as_str(), event["seq"].as_u64(), task) {
            (Some("generation_progress"), _, Some(task)) => {
                let step = event["data"]["step"].as_u64().unwrap_or_default();
                self.steps.lock().expect("unpoisoned").entry((task, step)).or_insert(at);
            }
            // Those of the log: progress and marks of the queue have numbers in between.
            (Some(kind), Some(seq), Some(task)) if seq % (1 << 16) == 0 => {
                self.by_seq.lock().expect("unpoisoned").insert(seq >> 16, at);
                if kind == "generation_started" {
                    self.started.lock().expect("unpoisoned").entry(task).or_insert_with(Instant::now);
                }
            }
            _ => {}
        }
    }
}
