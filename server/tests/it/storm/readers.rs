//! Threads that read pictures while they are generated, and collect violations.

use crate::support::{request_bytes, whole_png};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// What to read: the server's address, and the paths of pictures that are being generated.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    pub url: String,
    pub paths: Vec<String>,
}

#[derive(Default)]
struct Shared {
    targets: Mutex<Targets>,
    reads: AtomicUsize,
    over: AtomicBool,
    violations: Mutex<Vec<String>>,
    /// Hash of the bytes under each ETag. An ETag must always have the same content, also after restarts.
    contents: Mutex<HashMap<String, u64>>,
}

/// Reader threads, which run until [`Readers::finish`].
pub struct Readers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub fn start(count: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let thread = |_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                while !shared.over.load(Ordering::Relaxed) {
                    shared.read_one()
                }
            })
        };
        let threads = (0..count).map(thread).collect();
        Self { shared, threads }
    }

    /// Sets what the threads read from now on.
    pub fn aim(&self, targets: Targets) {
        *self.shared.targets.lock().expect("not poisoned") = targets;
    }

    /// Number of complete answers so far.
    pub fn reads(&self) -> usize {
        self.shared.reads.load(Ordering::Relaxed)
    }

    /// Stops the threads and returns the number of reads. Panics with all violations.
    pub fn finish(self) -> usize {
        self.shared.over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a reader does not panic"));
        let violations = self.shared.violations.lock().expect("not poisoned");
        assert!(
            violations.is_empty(),
            "{} violations: {:#?}",
            violations.len(),
            &violations[..violations.len().min(20)]
        );
        self.shared.reads.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn read_one(&self) {
        let targets = self.targets.lock().expect("not poisoned").clone();
        let Some(path) = targets.paths.get(super::random(targets.paths.len() as u64) as usize) else {
            return thread::sleep(Duration::from_millis(5));
        };
        // No answer: the server was just killed. 404: the picture of a cancelled task is deleted.
        let Ok((answer, bytes)) = request_bytes(&format!("{}{path}", targets.url)) else { return };
        if answer.status == 404 || answer.status == 503 {
            return;
        }
        if let Some(wrong) = self.wrong(answer.header("etag"), answer.status, &bytes) {
            self.violations.lock().expect("not poisoned").push(format!("{path}: {wrong}"));
        }
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    fn wrong(&self, etag: &str, status: u16, bytes: &[u8]) -> Option<String> {
        if status != 200 {
            return Some(format!("status {status}"));
        }
        if whole_png(bytes).is_none() {
            return Some(format!("{} bytes are no whole PNG", bytes.len()));
        }
        if etag.is_empty() {
            return Some("no ETag".into());
        }
        let hash = hash(bytes);
        let known = *self.contents.lock().expect("not poisoned").entry(etag.to_owned()).or_insert(hash);
        (known != hash).then(|| format!("the ETag {etag} names two contents"))
    }
}

fn hash(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
