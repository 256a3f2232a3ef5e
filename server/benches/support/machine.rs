//! Servers and workers for benchmarks of several machines, and what their logs say.

use serde_json::{Value, json};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tungstenite::{Message, WebSocket, stream::MaybeTlsStream};

/// A task and the number of a step.
pub type StepOf = (i64, u32);

/// When something was done, from the log.
#[derive(Default)]
pub struct Log {
    /// The end of each step.
    pub steps: HashMap<StepOf, SystemTime>,
    /// The end of each attempt that was stopped.
    pub stopped: HashMap<i64, SystemTime>,
}

/// A running server or worker.
pub struct Machine {
    /// Of a server.
    pub url: String,
    #[allow(dead_code, reason = "not all benchmarks read it")]
    pub log: Arc<Mutex<Log>>,
    child: Child,
    _folder: TempDir,
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Machine {
    /// A server with its own data folder, and with these options.
    pub fn serve(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().display().to_string();
        Self::start(&[&["serve", "--listen", "127.0.0.1:0", "--data-dir", &data], options].concat(), folder)
    }

    #[allow(dead_code, reason = "not all benchmarks have workers as processes")]
    pub fn work(options: &[&str]) -> Self {
        Self::start(&[&["worker"], options].concat(), tempfile::tempdir().expect("a folder"))
    }

    fn start(arguments: &[&str], folder: TempDir) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_emberline"));
        command.args(["--log", "error,engine=trace", "--log-format", "json"]).args(arguments).args(["--device", "cpu"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("that it is ready");
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap_or_default().to_owned();
        let (log, lines) = (Arc::<Mutex<Log>>::default(), child.stderr.take().expect("piped"));
        thread::spawn({
            let log = Arc::clone(&log);
            move || read(lines, &log)
        });
        Self { url, log, child, _folder: folder }
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        let mut answer = ureq::post(format!("{}{path}", self.url)).send_json(body).expect("accepted");
        answer.body_mut().read_json().expect("JSON")
    }

    /// The id of a new project.
    pub fn project(&self, name: &str) -> Value {
        self.post("/api/v1/projects", &json!({"name": name, "width": 64, "height": 64, "fps": 12}))["id"].clone()
    }

    pub fn socket(&self) -> Socket {
        Socket(tungstenite::connect(format!("{}/ws", self.url.replace("http:", "ws:"))).expect("connects").0)
    }
}

/// Notes the time of each step and of each stop.
fn read(lines: impl Read, log: &Mutex<Log>) {
    for line in BufReader::new(lines).lines().map_while(Result::ok) {
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        let task = || line["task.id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let at =
            || OffsetDateTime::parse(line["timestamp"].as_str().expect("a time"), &Rfc3339).expect("a time").into();
        match line["message"].as_str() {
            Some("step done") => {
                let step = line["step"].as_u64().and_then(|step| u32::try_from(step).ok()).expect("a step");
                log.lock().expect("unpoisoned").steps.insert((task(), step), at());
            }
            Some("generation stopped") => _ = log.lock().expect("unpoisoned").stopped.insert(task(), at()),
            Some(_) if line["level"] == "ERROR" => eprintln!("{line}"),
            _ => {}
        }
    }
}

/// A WebSocket of a server.
pub struct Socket(WebSocket<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// The next event. None if none comes in time, or the server is gone.
    pub fn next(&mut self, within: Option<Duration>) -> Option<Value> {
        if let MaybeTlsStream::Plain(stream) = self.0.get_ref() {
            stream.set_read_timeout(within).expect("a timeout");
        }
        loop {
            if let Message::Text(text) = self.0.read().ok()? {
                return Some(serde_json::from_str(&text).expect("JSON"));
            }
        }
    }
}
