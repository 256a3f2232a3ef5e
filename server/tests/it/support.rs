//! A running server for one test, and helpers to send requests to it.

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The binary without environment variables that set its options.
pub fn emberline() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emberline"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EMBERLINE_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command of the binary until it exits.
pub fn run(arguments: &[&str]) -> Output {
    emberline().args(arguments).output().expect("the binary starts")
}

/// A running server and its data folder.
pub struct TestServer {
    pub url: String,
    pub folder: TempDir,
    child: Child,
    log: Option<JoinHandle<String>>,
}

/// Status, headers and body text of an HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Names of the invalid fields in a problem answer.
    pub fn bad_fields(&self) -> Vec<String> {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().expect("a field").to_owned()).collect()
    }
}

impl TestServer {
    pub fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary folder"), &[])
    }

    /// Starts with additional options.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary folder"), arguments)
    }

    /// Starts on an existing data folder, and waits for the address on standard output.
    pub fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        Self::start_as(folder, arguments, &[])
    }

    /// Starts with additional environment variables.
    pub fn start_as(folder: TempDir, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = emberline()
            .envs(variables.iter().copied())
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path().join("data"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = child.stderr.take().map(read_log);
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("standard output");
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned);
        let Some(url) = url else {
            child.kill().ok();
            child.wait().ok();
            panic!("no address in {line:?}; log:\n{}", log.expect("piped").join().expect("read"));
        };
        Self { url, folder, child, log }
    }

    /// The URL without the base path.
    pub fn origin(&self) -> &str {
        let host = self.url.trim_start_matches("http://");
        let end = host.find('/').map_or(self.url.len(), |at| at + "http://".len());
        &self.url[..end]
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        request(&format!("{}{path}", self.url), method, headers, body).expect("the server answers")
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], None)
    }

    pub fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.request(method, path, &[("content-type", "application/json")], Some(body.to_string().as_bytes()))
    }

    /// Creates a project and returns it.
    pub fn create(&self, name: &str) -> Value {
        let new = json!({"name": name, "width": 1024, "height": 576, "fps": 12});
        let answer = self.send("POST", "/api/v1/projects", &new);
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()
    }

    /// Names of the projects, in the order of the list.
    pub fn names(&self) -> Vec<String> {
        let list = self.get("/api/v1/projects").json();
        let names = list.as_array().expect("a list").iter();
        names.map(|project| project["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// GETs a path. Returns the answer and the body as bytes.
    pub fn bytes(&self, path: &str) -> (Answer, Vec<u8>) {
        let url = format!("{}{path}", self.url);
        let mut answer = exchange(&url, "GET", &[], None).expect("the server answers");
        let bytes = std::mem::take(&mut answer.1);
        (answer.0, bytes)
    }

    /// Waits until the task has `status`. Panics if it ends with another one.
    pub fn wait_for_task(&self, id: &Value, status: &str) {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let task = self.get(&format!("/api/v1/tasks/{id}")).json();
            let now = task["status"].as_str().expect("a status");
            if now == status {
                return;
            }
            assert!(matches!(now, "queued" | "running"), "{task}");
            assert!(Instant::now() < deadline, "not {status} in 120 s: {task}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the given attempt of the task runs.
    pub fn wait_for_start(&self, id: &Value, attempt: u64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let task = self.get(&format!("/api/v1/tasks/{id}")).json();
            if task["status"] == "running" && task["attempt"] == attempt {
                return;
            }
            assert!(Instant::now() < deadline, "does not run as attempt {attempt} within 60 s: {task}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until no task is queued or running.
    pub fn wait_for_idle(&self) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while self.get("/api/v1/queue").json()["tasks"].as_array().is_none_or(|tasks| !tasks.is_empty()) {
            assert!(Instant::now() < deadline, "not idle in 120 s");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Resident memory of the server, bytes.
    #[cfg(target_os = "linux")]
    pub fn memory_bytes(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    }

    /// Sends SIGTERM and waits. Returns the exit status, the log, and the data folder.
    pub fn stop(self) -> (ExitStatus, String, TempDir) {
        let signalled = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(signalled.success());
        self.wait()
    }

    /// Kills the server with SIGKILL. Returns the data folder.
    pub fn kill(mut self) -> TempDir {
        self.child.kill().expect("killed");
        self.wait().2
    }

    fn wait(mut self) -> (ExitStatus, String, TempDir) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("waits") {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill().ok();
                panic!("the server did not end in 20 s");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let log = self.log.take().expect("piped").join().expect("read");
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a temporary folder"));
        (status, log, folder)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn read_log(mut stderr: ChildStderr) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).ok();
        text
    })
}

/// Sends one request. An error means that no HTTP answer arrived.
pub fn request(url: &str, method: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Result<Answer, ureq::Error> {
    Ok(exchange(url, method, headers, body)?.0)
}

/// GETs a URL. Returns the answer and the body as bytes.
pub fn request_bytes(url: &str) -> Result<(Answer, Vec<u8>), ureq::Error> {
    exchange(url, "GET", &[], None)
}

/// Sends one request. Returns the answer and the body as bytes.
fn exchange(
    url: &str,
    method: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Result<(Answer, Vec<u8>), ureq::Error> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(Duration::from_secs(60)))
        .allow_non_standard_methods(true)
        .build();
    let mut builder = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let agent = ureq::Agent::new_with_config(config);
    let mut response = match body {
        Some(body) => agent.run(builder.body(body)?)?,
        None => agent.run(builder.body(())?)?,
    };
    let bytes = response.body_mut().read_to_vec()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok((Answer { status: response.status().as_u16(), headers: response.headers().clone(), text }, bytes))
}

/// Size of a PNG; `None` if it cannot be decoded completely.
pub fn whole_png(bytes: &[u8]) -> Option<(u32, u32)> {
    let picture = image::load_from_memory_with_format(bytes, image::ImageFormat::Png).ok()?;
    Some((picture.width(), picture.height()))
}

/// A WebSocket connection to `/ws`.
pub struct Events {
    socket: tungstenite::WebSocket<std::net::TcpStream>,
    pub hello: Value,
}

impl Events {
    /// Connects with a query ("" or "?since=...") and reads `hello`.
    pub fn connect(server: &TestServer, query: &str) -> Self {
        use tungstenite::client::IntoClientRequest;
        let address = server.url.trim_start_matches("http://");
        let socket = server.origin().trim_start_matches("http://");
        let stream = std::net::TcpStream::connect(socket).expect("connects");
        let request = format!("ws://{address}/ws{query}").into_client_request().expect("a request");
        let (socket, _) = tungstenite::client(request, stream).expect("a socket");
        let mut events = Self { socket, hello: Value::Null };
        let hello = events.next(Duration::from_secs(10)).expect("the first message");
        assert_eq!(hello["type"], "hello");
        events.hello = hello["data"].clone();
        events
    }

    fn next(&mut self, within: Duration) -> Option<Value> {
        self.socket.get_ref().set_read_timeout(Some(within)).expect("a timeout");
        loop {
            match self.socket.read() {
                Ok(tungstenite::Message::Text(text)) => return Some(serde_json::from_str(&text).expect("JSON")),
                Ok(_) => {}
                Err(tungstenite::Error::Io(_)) => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Events up to and including the first of type `kind`, without metrics.
    pub fn until(&mut self, kind: &str, within: Duration) -> Vec<Value> {
        let deadline = Instant::now() + within;
        let mut heard = Vec::new();
        while let Some(event) =
            self.next(deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)))
        {
            if event["type"] == "metrics" {
                continue;
            }
            let found = event["type"] == kind;
            heard.push(event);
            if found {
                return heard;
            }
        }
        panic!("no {kind} in {within:?}; heard {heard:#?}");
    }

    /// The next event of one of these types.
    pub fn any_of(&mut self, kinds: &[&str], within: Duration) -> Value {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(event) = self.next(within).filter(|event| kinds.iter().any(|kind| event["type"] == *kind)) {
                return event;
            }
        }
        panic!("none of {kinds:?} in {within:?}");
    }

    /// The code and the reason with which the server closes the socket.
    pub fn farewell(&mut self, within: Duration) -> (u16, String) {
        self.socket.get_ref().set_read_timeout(Some(within)).expect("a timeout");
        loop {
            match self.socket.read() {
                Ok(tungstenite::Message::Close(Some(frame))) => return (frame.code.into(), frame.reason.to_string()),
                Ok(_) => {}
                Err(error) => panic!("no farewell within {within:?}: {error}"),
            }
        }
    }

    /// Events until none arrives for `quiet`, without metrics.
    pub fn drain(&mut self, quiet: Duration) -> Vec<Value> {
        std::iter::from_fn(|| self.next(quiet)).filter(|event| event["type"] != "metrics").collect()
    }
}
