//! Readers of pictures, each of whose reads may be answered by another server than the one before.

use super::pictures::Load;
use crate::support::{request_bytes, whole_png};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Pictures that are read: those that form, and some that have just been finished.
const NEWEST: usize = 16;
/// Of a final picture: newer than every step.
const FINAL: (u32, u32) = (u32::MAX, 0);

#[derive(Default)]
struct Shared {
    urls: Vec<String>,
    /// The newest that any read of a picture has returned.
    newest: Mutex<HashMap<String, (u32, u32)>>,
    /// The newest before a crash of the database, of pictures whose previews it lost. Until the next step, servers show what they
    /// have in memory, or the first preview.
    lost: Mutex<HashMap<String, (u32, u32)>>,
    /// The number of crashes so far.
    crashes: AtomicUsize,
    /// Hash of the bytes of each ETag.
    contents: Mutex<HashMap<String, u64>>,
    violations: Mutex<Vec<String>>,
    reads: AtomicUsize,
    forming: AtomicUsize,
    unanswered: AtomicUsize,
    is_over: AtomicBool,
}

pub struct Readers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What they have read.
#[derive(Debug)]
pub struct Read {
    pub reads: usize,
    pub forming: usize,
    /// Without an answer, or answered with 502, 503 or 504.
    pub unanswered: usize,
    pub violations: Vec<String>,
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

impl Readers {
    /// They read through these addresses in turn.
    pub fn start(urls: Vec<String>, load: &Arc<Load>, count: usize) -> Self {
        let shared = Arc::new(Shared { urls, ..Shared::default() });
        let threads = (0..count).map(|first| {
            let (shared, load) = (Arc::clone(&shared), Arc::clone(load));
            thread::spawn(move || {
                for n in first.. {
                    if shared.is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let newest = load.newest(NEWEST);
                    match newest.get((n / 3) % newest.len().max(1)) {
                        Some(picture) => shared.read(n, &picture.path),
                        None => thread::sleep(Duration::from_millis(20)),
                    }
                }
            })
        });
        let threads = threads.collect();
        Self { shared, threads }
    }

    pub fn reads(&self) -> usize {
        self.shared.reads.load(Ordering::Relaxed)
    }

    /// Called when the database has crashed and before it starts again: its previews are lost.
    pub fn database_crashed(&self) {
        let mut newest = self.shared.newest.lock().expect("unpoisoned");
        self.shared.crashes.fetch_add(1, Ordering::Relaxed);
        let mut lost = self.shared.lost.lock().expect("unpoisoned");
        lost.extend(newest.extract_if(|_, formed| *formed != FINAL));
    }

    pub fn finish(mut self) -> Read {
        self.shared.is_over.store(true, Ordering::Relaxed);
        std::mem::take(&mut self.threads)
            .into_iter()
            .for_each(|thread| thread.join().expect("a reader does not panic"));
        let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        let Shared { reads, forming, unanswered, violations, .. } = &*self.shared;
        let violations = std::mem::take(&mut *violations.lock().expect("unpoisoned"));
        Read { reads: count(reads), forming: count(forming), unanswered: count(unanswered), violations }
    }
}

impl Shared {
    fn read(&self, n: usize, path: &str) {
        let url = &self.urls[n % self.urls.len()];
        let (before, crashes) = {
            let newest = self.newest.lock().expect("unpoisoned");
            (newest.get(path).copied().unwrap_or_default(), self.crashes.load(Ordering::Relaxed))
        };
        let answer = request_bytes(&format!("{url}{path}"));
        let Some((answer, bytes)) = answer.ok().filter(|(answer, _)| !matches!(answer.status, 502..=504)) else {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
            return thread::sleep(Duration::from_millis(10));
        };
        self.reads.fetch_add(1, Ordering::Relaxed);
        let formed = answer
            .header("emberline-step")
            .split_once('.')
            .map(|(attempt, step)| (attempt.parse().expect("a number"), step.parse().expect("a number")));
        let now = formed.unwrap_or(FINAL);
        self.forming.fetch_add(usize::from(now != FINAL), Ordering::Relaxed);
        let mut newest = self.newest.lock().expect("unpoisoned");
        let has_crashed = self.crashes.load(Ordering::Relaxed) != crashes;
        if !has_crashed {
            let newest = newest.entry(path.to_owned()).or_default();
            *newest = now.max(*newest);
        }
        drop(newest);
        let wrong = match () {
            () if answer.status != 200 => Some(format!("status {} {}", answer.status, answer.text)),
            () if now < before && (before == FINAL || !has_crashed) && !self.is_lost(path, before) => {
                Some(format!("{now:?} after {before:?}"))
            }
            () if whole_png(&bytes).is_none() => Some(format!("{} bytes are no whole PNG", bytes.len())),
            () => self.other_content(answer.header("etag"), &bytes),
        };
        if let Some(wrong) = wrong {
            self.violations.lock().expect("unpoisoned").push(format!("{url}{path}: {wrong}"));
        }
    }

    /// Whether the newest preview was lost in a crash, and there is no newer one yet.
    fn is_lost(&self, path: &str, newest: (u32, u32)) -> bool {
        self.lost.lock().expect("unpoisoned").get(path).is_some_and(|lost| newest <= *lost)
    }

    fn other_content(&self, etag: &str, bytes: &[u8]) -> Option<String> {
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        let hash = hasher.finish();
        let known = *self.contents.lock().expect("unpoisoned").entry(etag.to_owned()).or_insert(hash);
        (known != hash || etag.is_empty()).then(|| format!("the ETag {etag} names two contents"))
    }
}
