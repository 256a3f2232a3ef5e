//! Time from the end of a sampling step to the bytes of its preview in a client. Prints the median and the 95th and 99th
//! percentiles, in milliseconds:
//! - of two servers on one PostgreSQL: one makes the pictures, the client is at the other one and knows nothing of the first;
//! - of one server on SQLite.
//!
//! The client listens to a WebSocket, and requests the picture after each step that it hears of, as the page does. The beginning is
//! the time in the log of the server that makes the picture. All processes run on this machine.
//!
//! `cargo bench --bench live` (with `-- ROUNDS STEPS` to change 5 rounds of 40 steps).

use serde_json::{Value, json};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tungstenite::{Message, WebSocket, stream::MaybeTlsStream};

/// Sides of the pictures in pixels, and how their previews are made.
const KINDS: [(u32, &str); 3] = [(256, "latent2rgb"), (512, "latent2rgb"), (256, "taesd")];

/// A task and the number of a step.
type StepOf = (i64, u32);
/// When each step was done.
type Steps = Arc<Mutex<HashMap<StepOf, SystemTime>>>;

fn main() {
    // cargo adds the argument `--bench`.
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u32>().ok());
    let (rounds, steps) = (numbers.next().unwrap_or(5), numbers.next().unwrap_or(40));
    let alone = Server::start(&[]);
    measure("one server on SQLite", &alone, &alone, rounds, steps);
    drop(alone);
    let Some(cluster) = test_postgres::cluster() else { return };
    let (url, pictures) = (cluster.create("live"), tempfile::tempdir().expect("a folder"));
    let pictures = pictures.path().display().to_string();
    let shared = ["--database-url", &url, "--media-url", &pictures];
    let makes = Server::start(&shared);
    let web = Server::start(&[&shared[..], &["--concurrency", "0"]].concat());
    measure("two servers on PostgreSQL", &makes, &web, rounds, steps);
}

fn measure(what: &str, makes: &Server, shows: &Server, rounds: u32, steps: u32) {
    shows.post("/api/v1/projects", &json!({"name": "bench", "width": 256, "height": 256, "fps": 12}));
    for (side, method) in KINDS {
        let (mut times, mut bytes, mut seconds) = (Vec::new(), 0, Vec::new());
        for _ in 0..rounds {
            let seen = shows.watch(side, method, steps);
            // The line of the last step may be on its way.
            thread::sleep(Duration::from_millis(100));
            let done = makes.steps.lock().expect("unpoisoned");
            for (step, (at, length)) in seen {
                let began = done[&step];
                times.push(1000.0 * at.duration_since(began).unwrap_or_default().as_secs_f64());
                bytes += length;
            }
            let of_task: Vec<_> = done.values().collect();
            let (first, last) = (of_task.iter().min().expect("a step"), of_task.iter().max().expect("a step"));
            seconds.push(last.duration_since(**first).expect("in order").as_secs_f64() / f64::from(steps - 1));
            drop(done);
            makes.steps.lock().expect("unpoisoned").clear();
        }
        let count = times.len();
        times.sort_by(f64::total_cmp);
        let of = |share: f64| times[((count as f64 * share) as usize).min(count - 1)];
        println!(
            "{what}, {method} at {side} x {side}: {:.1} ms, p95 {:.1} ms, p99 {:.1} ms; {count} previews of {:.1} kB in {} steps of {:.0} ms",
            of(0.5),
            of(0.95),
            of(0.99),
            bytes as f64 / count as f64 / 1000.0,
            rounds * steps,
            1000.0 * seconds.iter().sum::<f64>() / f64::from(rounds),
        );
    }
}

struct Server {
    url: String,
    steps: Steps,
    child: Child,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = serve(folder.path(), options).spawn().expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("its address");
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).expect("its address").to_owned();
        let (steps, log) = (Steps::default(), child.stderr.take().expect("piped"));
        thread::spawn({
            let steps = Arc::clone(&steps);
            move || read_log(log, &steps)
        });
        Self { url, steps, child, _folder: folder }
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let mut answer = ureq::post(format!("{}{path}", self.url)).send_json(body).expect("accepted");
        answer.body_mut().read_json().expect("JSON")
    }

    /// Generates a picture, and reads each preview that comes. Returns when its bytes were there, and their length.
    fn watch(&self, side: u32, method: &str, steps: u32) -> HashMap<StepOf, (SystemTime, usize)> {
        let (mut socket, _) =
            tungstenite::connect(format!("{}/ws", self.url.replace("http:", "ws:"))).expect("connects");
        let asked = json!({
            "prompt": "a red car on a yellow background", "seed": 1, "steps": steps, "preview_method": method,
            "preview_interval_ms": 0, "width": side, "height": side,
        });
        let task = self.post("/api/v1/projects/1/generations", &asked)["tasks"][0].clone();
        let (id, path) = (task["task_id"].as_i64().expect("an id"), task["preview_path"].as_str().expect("a path"));
        let (agent, mut seen) = (ureq::agent(), HashMap::new());
        loop {
            let event = next(&mut socket);
            if event["data"]["task_id"] != id {
                continue;
            }
            match event["type"].as_str() {
                Some("generation_completed") => return seen,
                Some("generation_progress") => {}
                _ => continue,
            }
            let (attempt, step) = (&event["data"]["attempt"], &event["data"]["step"]);
            let mut answer = agent.get(format!("{}{path}?t={attempt}.{step}", self.url)).call().expect("an answer");
            let bytes = answer.body_mut().read_to_vec().expect("a picture");
            let at = SystemTime::now();
            let formed = answer.headers().get("emberline-step").and_then(|text| text.to_str().ok()?.split_once('.'));
            let Some(step) = formed.and_then(|(_, step)| step.parse().ok()).filter(|step| *step > 0) else { continue };
            seen.entry((id, step)).or_insert((at, bytes.len()));
        }
    }
}

fn serve(folder: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emberline"));
    command.args(["--log", "error,engine=trace", "--log-format", "json", "serve", "--listen", "127.0.0.1:0"]);
    command.args(["--device", "cpu", "--data-dir"]).arg(folder).args(options);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Notes the time of each step.
fn read_log(log: impl Read, steps: &Steps) {
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        if line["message"] != "step done" {
            continue;
        }
        let task = line["task.id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let step = line["step"].as_u64().and_then(|step| u32::try_from(step).ok()).expect("a step");
        let at = OffsetDateTime::parse(line["timestamp"].as_str().expect("a time"), &Rfc3339).expect("a time");
        steps.lock().expect("unpoisoned").insert((task, step), at.into());
    }
}

fn next(socket: &mut WebSocket<MaybeTlsStream<TcpStream>>) -> Value {
    loop {
        if let Message::Text(text) = socket.read().expect("a message") {
            return serde_json::from_str(&text).expect("JSON");
        }
    }
}
