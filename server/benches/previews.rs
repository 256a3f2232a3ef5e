//! What previews cost. Prints, for the model inside the program on this machine:
//! - the time of a generation with each preview method as a share of the time without, the methods taking
//!   turns in one run, so that a change of the machine's load falls on all of them;
//! - the time from the end of a step to the renamed file, by stage;
//! - how many requests a second are answered with 304 at an address that is being generated.
//!
//! `cargo bench --bench previews` (with `-- ROUNDS STEPS` to change 7 rounds of 60 steps).

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const METHODS: [&str; 3] = ["none", "latent2rgb", "taesd"];

struct Server {
    url: String,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(env!("CARGO_BIN_EXE_emberline"))
            .args(["--log", "warn", "serve", "--listen", "127.0.0.1:0", "--device", "cpu", "--data-dir"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("its address");
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).expect("its address").to_owned();
        Self { url, child, _folder: folder }
    }

    fn get(&self, path: &str) -> Value {
        let mut answer = ureq::get(format!("{}{path}", self.url)).call().expect("an answer");
        answer.body_mut().read_json().expect("JSON")
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let mut answer = ureq::post(format!("{}{path}", self.url)).send_json(body).expect("accepted");
        answer.body_mut().read_json().expect("JSON")
    }

    fn generate(&self, method: &str, steps: u32) -> Value {
        let body = json!({
            "prompt": "a red car on a yellow background", "seed": 1, "steps": steps, "preview_method": method,
            "width": 128, "height": 128,
        });
        self.post("/api/v1/projects/1/generations", &body)["tasks"][0].clone()
    }

    /// Seconds from the start of a task to its end, by the server's clock.
    fn seconds(&self, task: &Value) -> f64 {
        loop {
            let task = self.get(&format!("/api/v1/tasks/{}", task["task_id"]));
            match task["status"].as_str() {
                Some("completed") => return time(&task["finished_at"]) - time(&task["started_at"]),
                Some("queued" | "running") => thread::sleep(Duration::from_millis(20)),
                other => panic!("{other:?}: {task}"),
            }
        }
    }

    /// A number of `/metrics` by its name and labels.
    fn metric(&self, name: &str) -> f64 {
        let mut answer = ureq::get(format!("{}/metrics", self.url)).call().expect("metrics");
        let text = answer.body_mut().read_to_string().expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in\n{text}"))
    }
}

/// Seconds of the day of an RFC 3339 time in UTC.
fn time(text: &Value) -> f64 {
    let text = text.as_str().expect("a time");
    let clock = text.split('T').nth(1).expect("a clock").trim_end_matches('Z');
    clock.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().expect("a number"))
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn main() {
    // cargo adds `--bench`.
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u32>().ok());
    let (rounds, steps) = (numbers.next().unwrap_or(7), numbers.next().unwrap_or(60));
    let server = Server::start();
    server.post("/api/v1/projects", &json!({"name": "bench", "width": 128, "height": 128, "fps": 12}));
    server.seconds(&server.generate("taesd", 2));

    let mut times = METHODS.map(|_| Vec::new());
    let mut stages = METHODS.map(|_| [0.0; 4]);
    for _ in 0..rounds {
        for (index, method) in METHODS.iter().enumerate() {
            let names = ["count", "decode", "encode", "write"];
            let read = || {
                names.map(|name| match name {
                    "count" => server.metric("emberline_previews_total"),
                    stage => server.metric(&format!("emberline_preview_seconds_total{{stage=\"{stage}\"}}")),
                })
            };
            let before = read();
            times[index].push(server.seconds(&server.generate(method, steps)));
            let after = read();
            stages[index]
                .iter_mut()
                .zip(after.iter().zip(before))
                .for_each(|(sum, (after, before))| *sum += after - before);
        }
    }
    println!("{rounds} rounds of {steps} steps at 128 x 128, medians");
    for (index, method) in METHODS.iter().enumerate() {
        let of_rounds: Vec<_> =
            times[index].iter().zip(&times[0]).map(|(with, without)| with / without - 1.0).collect();
        let [count, decode, encode, write] = stages[index];
        let ms = |sum: f64| if count > 0.0 { 1000.0 * sum / count } else { 0.0 };
        println!(
            "{method:10} {:6.3} s, {:+5.1} % over none; {:3.0} previews of {:.2} ms (decode {:.2}, encode {:.2}, write {:.2})",
            median(times[index].clone()),
            100.0 * median(of_rounds),
            count / f64::from(rounds),
            ms(decode + encode + write),
            ms(decode),
            ms(encode),
            ms(write),
        );
    }
    not_modified(&server);
}

/// Asks for an unchanged picture from four connections for three seconds.
fn not_modified(server: &Server) {
    let task = server.generate("none", 1000);
    let url = format!("{}{}", server.url, task["preview_path"].as_str().expect("a path"));
    let count = || {
        let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().http_status_as_error(false).build());
        let first = agent.get(&url).call().expect("an answer");
        let etag = first.headers().get("etag").expect("a tag").clone();
        let until = Instant::now() + Duration::from_secs(3);
        let mut count = 0;
        while Instant::now() < until {
            let answer = agent.get(&url).header("if-none-match", &etag).call().expect("an answer");
            assert_eq!(answer.status(), 304);
            count += 1;
        }
        count
    };
    let total: u32 = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    println!("304 while generating: {} requests a second over 4 connections", total / 3);
}
