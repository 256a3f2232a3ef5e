//! A server for a benchmark.

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// A running server with its data folder and one project.
pub struct Server {
    pub url: String,
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
    /// With more options for `serve`.
    pub fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(env!("CARGO_BIN_EXE_emberline"))
            .args(["--log", "warn", "serve", "--listen", "127.0.0.1:0", "--device", "cpu", "--data-dir"])
            .arg(folder.path())
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("its address");
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).expect("its address").to_owned();
        let server = Self { url, child, _folder: folder };
        server.post("/api/v1/projects", &json!({"name": "bench", "width": 128, "height": 128, "fps": 12}));
        server
    }

    pub fn get(&self, path: &str) -> Value {
        let mut answer = ureq::get(format!("{}{path}", self.url)).call().expect("an answer");
        answer.body_mut().read_json().expect("JSON")
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        let mut answer = ureq::post(format!("{}{path}", self.url)).send_json(body).expect("accepted");
        answer.body_mut().read_json().expect("JSON")
    }

    pub fn generate(&self, method: &str, steps: u32) -> Value {
        let body = json!({
            "prompt": "a red car on a yellow background", "seed": 1, "steps": steps, "preview_method": method,
            "width": 128, "height": 128,
        });
        self.post("/api/v1/projects/1/generations", &body)["tasks"][0].clone()
    }

    /// Duration of a task in seconds, from the server's timestamps.
    pub fn seconds(&self, task: &Value) -> f64 {
        loop {
            let task = self.get(&format!("/api/v1/tasks/{}", task["task_id"]));
            match task["status"].as_str() {
                Some("completed") => return time(&task["finished_at"]) - time(&task["started_at"]),
                Some("queued" | "running") => thread::sleep(Duration::from_millis(20)),
                other => panic!("{other:?}: {task}"),
            }
        }
    }

    /// Value of a metric, by its name and labels.
    pub fn metric(&self, name: &str) -> f64 {
        let mut answer = ureq::get(format!("{}/metrics", self.url)).call().expect("metrics");
        let text = answer.body_mut().read_to_string().expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in\n{text}"))
    }
}

/// Seconds since midnight of an RFC 3339 time in UTC.
fn time(text: &Value) -> f64 {
    let text = text.as_str().expect("a time");
    let clock = text.split('T').nth(1).expect("a clock").trim_end_matches('Z');
    clock.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().expect("a number"))
}

pub fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Rounds and steps from the command line, or these defaults.
pub fn numbers(rounds: u32, steps: u32) -> (u32, u32) {
    // cargo adds the argument `--bench`.
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u32>().ok());
    (numbers.next().unwrap_or(rounds), numbers.next().unwrap_or(steps))
}
