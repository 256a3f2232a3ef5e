//! Many workers on one PostgreSQL, in one process, whose steps take a second of sleep: everything but the sampler is real, also
//! leases, claims, steps with previews, and the log. A server without workers and one of its WebSockets watch. Prints
//! - how long claims took, and from an entry in the log, and from the end of a step, to the socket's message;
//! - leases that ended, and renewals that were missed;
//! - how long the first pictures of newcomers waited while one project has hundreds of pictures waiting.
//!
//! Fails if a lease ended, if the 95th percentile of claims is over 50 ms, of an entry to the socket over 100 ms, or if a newcomer
//! waited for longer than a picture takes. All processes and PostgreSQL (with `fsync`) run on this machine.
//!
//! `cargo bench --bench rehearse` (with `-- WORKERS SECONDS` to change 100 workers for 60 seconds).

#[path = "support/percentiles.rs"]
mod percentiles;
#[path = "support/workers.rs"]
mod workers;

use percentiles::Percentiles;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use test_postgres::Cluster;
use tungstenite::{Message, WebSocket, stream::MaybeTlsStream};
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
    let web = Server::start(&url, &pictures);
    let heard = Arc::new(Heard::default());
    web.listen(&heard);
    let flood = web.project("flood");
    web.fill(&flood);
    // Spread over the time of a picture, so that they do not all end at the same time.
    let apart = Duration::from_secs(STEPS.into()).div_f64(count as f64);
    let workers = Workers::start(&url, pictures.path(), usize::try_from(count).expect("a number"), apart);
    println!("{count} workers, {STEPS} steps of a second a picture, for {seconds} s");
    let waits = web.flood(&flood, Duration::from_secs(seconds), &heard);
    let calls = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'rehearsal'";
    println!("{} transactions a second", number(&cluster, calls) / seconds);
    let used = cluster.execute("rehearsal", "SELECT count(*) FROM pg_stat_activity WHERE datname = 'rehearsal'");
    println!("{used} connections to PostgreSQL");
    let noted = workers.noted();
    let is_kept = report(&cluster, &noted, &heard, waits);
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
    println!(
        "{completed} pictures, {failed} failed; leases that ended: {expired}; renewals: {}, missed: {}, longest time between two: {} ms",
        noted.renewals, noted.missed, noted.longest_gap_ms
    );
    let newcomers = Percentiles::of(waits);
    println!("newcomer's first picture starts after: {newcomers}");
    let picture_ms = 1000.0 * f64::from(STEPS);
    let is_quick = claims.p95 <= CLAIM_P95_MS && told.p95 <= TOLD_P95_MS && newcomers.most <= picture_ms;
    is_quick && expired == 0 && failed == 0 && completed > 0
}

fn number(cluster: &Cluster, sql: &str) -> u64 {
    cluster.execute("rehearsal", sql).parse().expect("a number")
}

/// A server that makes no pictures.
struct Server {
    url: String,
    child: Child,
    is_over: Arc<AtomicBool>,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Server {
    fn start(database: &str, pictures: &TempDir) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_emberline"));
        command.args(["--log", "warn", "serve", "--listen", "127.0.0.1:0", "--device", "cpu", "--concurrency", "0"]);
        command.args(["--model", workers::MODEL, "--database-url", database, "--media-url"]).arg(pictures.path());
        let mut child =
            command.arg("--data-dir").arg(folder.path()).stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("its address");
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).expect("its address").to_owned();
        Self { url, child, is_over: Arc::default(), _folder: folder }
    }

    fn listen(&self, heard: &Arc<Heard>) {
        let (mut socket, _) =
            tungstenite::connect(format!("{}/ws", self.url.replace("http:", "ws:"))).expect("connects");
        let (heard, is_over) = (Arc::clone(heard), Arc::clone(&self.is_over));
        thread::spawn(move || {
            while let Some(event) = next(&mut socket) {
                heard.note(&event);
            }
            assert!(is_over.load(Ordering::Relaxed), "the socket was closed");
        });
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let mut answer = ureq::post(format!("{}{path}", self.url)).send_json(body).expect("accepted");
        answer.body_mut().read_json().expect("JSON")
    }

    fn project(&self, name: &str) -> Value {
        self.post("/api/v1/projects", &json!({"name": name, "width": 64, "height": 64, "fps": 12}))["id"].clone()
    }

    fn generate(&self, project: &Value, takes: usize) -> Value {
        let asked =
            json!({"prompt": "a star", "seed": 1, "steps": STEPS, "width": 64, "height": 64, "num_variants": takes});
        self.post(&format!("/api/v1/projects/{project}/generations"), &asked)["tasks"][0]["task_id"].clone()
    }

    /// Fills the queue with tasks of a project.
    fn fill(&self, project: &Value) {
        let mut queue = ureq::get(format!("{}/api/v1/queue", self.url)).call().expect("the queue");
        let queue: Value = queue.body_mut().read_json().expect("JSON");
        let waiting = queue["tasks"].as_array().expect("tasks").iter().filter(|task| task["status"] == "queued");
        for _ in 0..WAITING.saturating_sub(waiting.count()) / AT_ONCE {
            self.generate(project, AT_ONCE);
        }
    }

    /// Keeps one project's queue full. Returns how long each newcomer waited, in milliseconds.
    fn flood(&self, flood: &Value, lasts: Duration, heard: &Heard) -> Vec<f64> {
        let (started, mut newcomers) = (Instant::now(), Vec::new());
        while started.elapsed() < lasts {
            self.fill(flood);
            let asked = Instant::now();
            let id = self.generate(&self.project("newcomer"), 1).as_i64().expect("an id");
            newcomers.push((id, asked));
            thread::sleep(NEWCOMERS);
        }
        let started = heard.started.lock().expect("unpoisoned");
        // One that has not started yet has waited for the time until now, which is longer than a picture takes.
        let wait = |(id, asked): (i64, Instant)| started.get(&id).map_or(asked.elapsed(), |at| *at - asked);
        newcomers.into_iter().map(|newcomer| 1000.0 * wait(newcomer).as_secs_f64()).collect()
    }
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

fn next(socket: &mut WebSocket<MaybeTlsStream<TcpStream>>) -> Option<Value> {
    loop {
        if let Message::Text(text) = socket.read().ok()? {
            return Some(serde_json::from_str(&text).expect("JSON"));
        }
    }
}
