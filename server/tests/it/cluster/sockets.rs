//! WebSocket clients behind the balancer, which connect again after a loss and continue after the newest number that they got.

use serde_json::Value;
use std::{
    collections::HashMap,
    io,
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tungstenite::{Error, Message, WebSocket, client::IntoClientRequest};

/// How long a client waits for a message before it looks whether the test is over. Metrics come every two seconds.
const LOOK: Duration = Duration::from_millis(500);
/// How long a client waits before it connects again.
const AGAIN: Duration = Duration::from_millis(100);
/// Messages without which a connection is given up.
const SILENT: u32 = 30;

/// What a client knows of a task.
#[derive(Clone, Debug, Default)]
struct Task {
    newest: (u64, u64),
    /// The last attempt that has ended.
    ended: u64,
    completed: Option<String>,
}

/// What a client has heard.
#[derive(Default)]
pub struct Heard {
    tasks: HashMap<i64, Task>,
    since: Option<(String, u64)>,
    /// The newest entry of the log.
    entry: u64,
    pub connections: usize,
    pub resyncs: usize,
    pub events: usize,
    pub violations: Vec<String>,
}

/// Clients, which listen until they are dropped or finished.
pub struct Sockets {
    heard: Vec<Arc<Mutex<Heard>>>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl Sockets {
    pub fn start(url: &str, count: usize) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let heard: Vec<_> = (0..count).map(|_| Arc::<Mutex<Heard>>::default()).collect();
        let threads = heard.iter().map(|heard| {
            let (url, heard, is_over) = (url.to_owned(), Arc::clone(heard), Arc::clone(&is_over));
            thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    listen(&url, &heard, &is_over);
                    thread::sleep(AGAIN);
                }
            })
        });
        let threads = threads.collect();
        Self { heard, is_over, threads }
    }

    /// Whether each client has heard of this many completed tasks.
    pub fn have_completed(&self, count: usize) -> bool {
        let completed = |heard: &Arc<Mutex<Heard>>| {
            heard.lock().expect("unpoisoned").tasks.values().filter(|task| task.completed.is_some()).count()
        };
        self.heard.iter().all(|heard| completed(heard) >= count)
    }

    /// Ends them. Returns what each has heard.
    pub fn finish(mut self) -> Vec<Heard> {
        self.is_over.store(true, Ordering::Relaxed);
        std::mem::take(&mut self.threads)
            .into_iter()
            .for_each(|thread| thread.join().expect("a client does not panic"));
        self.heard.iter().map(|heard| std::mem::take(&mut *heard.lock().expect("unpoisoned"))).collect()
    }
}

/// Listens on one connection until it is lost.
fn listen(url: &str, heard: &Mutex<Heard>, is_over: &AtomicBool) {
    let query = {
        let heard = heard.lock().expect("unpoisoned");
        heard.since.as_ref().map_or_else(String::new, |(epoch, seq)| format!("?epoch={epoch}&since={seq}"))
    };
    let Some(mut socket) = connect(url, &query) else { return };
    let (mut silent, mut newest) = (0, 0);
    while !is_over.load(Ordering::Relaxed) && silent < SILENT {
        match socket.read() {
            Ok(Message::Text(text)) => {
                silent = 0;
                let event: Value = serde_json::from_str(&text).expect("JSON");
                heard.lock().expect("unpoisoned").note(&event, &mut newest);
            }
            Ok(Message::Close(_)) => return,
            Ok(_) => {}
            Err(Error::Io(error)) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                silent += 1;
            }
            Err(_) => return,
        }
    }
}

fn connect(url: &str, query: &str) -> Option<WebSocket<TcpStream>> {
    let address = url.trim_start_matches("http://");
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let request = format!("ws://{address}/ws{query}").into_client_request().ok()?;
    let (socket, _) = tungstenite::client(request, stream).ok()?;
    socket.get_ref().set_read_timeout(Some(LOOK)).ok()?;
    Some(socket)
}

impl Heard {
    /// The ETag of each completed task.
    pub fn completed(&self) -> HashMap<i64, String> {
        self.tasks.iter().filter_map(|(id, task)| Some((*id, task.completed.clone()?))).collect()
    }

    /// `newest` is the newest number of this connection.
    fn note(&mut self, event: &Value, newest: &mut u64) {
        let data = &event["data"];
        match event["type"].as_str().expect("a type") {
            "hello" => {
                self.connections += 1;
                let epoch = data["epoch"].as_str().expect("an epoch").to_owned();
                let (_, seq) = self.since.take().filter(|(old, _)| *old == epoch).unwrap_or_default();
                // Those that were missed follow.
                let seq = if seq == 0 { data["seq"].as_u64().expect("a number") } else { seq };
                self.since = Some((epoch, seq));
            }
            "resync" => {
                self.resyncs += 1;
                self.entry = 0;
            }
            _ => {}
        }
        let Some(seq) = event["seq"].as_u64() else { return };
        self.events += 1;
        if seq <= *newest {
            self.violations.push(format!("number {seq} after {newest}: {event}"));
        }
        *newest = seq;
        if let Some((_, since)) = &mut self.since {
            *since = seq;
        }
        if seq % (1 << 16) == 0 {
            if seq >> 16 <= self.entry {
                self.violations.push(format!("entry {} after {}: {event}", seq >> 16, self.entry));
            }
            self.entry = seq >> 16;
        }
        self.note_task(event);
    }

    fn note_task(&mut self, event: &Value) {
        let (data, kind) = (&event["data"], event["type"].as_str().unwrap_or_default());
        let (Some(id), Some(attempt)) = (data["task_id"].as_i64(), data["attempt"].as_u64()) else { return };
        let task = self.tasks.entry(id).or_default();
        let wrong = match kind {
            "generation_progress" | "generation_started" => {
                let now = (attempt, data["step"].as_u64().unwrap_or_default());
                let is_back = now < task.newest;
                task.newest = now.max(task.newest);
                (attempt <= task.ended || task.completed.is_some())
                    .then_some("after its attempt's end")
                    .or_else(|| is_back.then_some("after a later step"))
            }
            "generation_completed" => {
                let twice = task.completed.is_some() || attempt <= task.ended;
                task.completed = data["etag"].as_str().map(str::to_owned);
                twice.then_some("completed after its end")
            }
            "generation_interrupted" | "generation_failed" | "generation_cancelled" | "generation_paused" => {
                task.ended = task.ended.max(attempt);
                task.completed.is_some().then_some("ended after it was completed")
            }
            _ => None,
        };
        if let Some(wrong) = wrong {
            let known = format!("{task:?}");
            self.violations.push(format!("{wrong}: {event}, known: {known}"));
        }
    }
}
