//! What is logged about an outage. A program of its own: which lines a thread's subscriber gets depends on what other threads
//! have logged before.

use bytes::Bytes;
use pictures::{ObjectUrl, Objects};
use std::{
    io::Write,
    sync::{Arc, Mutex},
};
use test_s3::{Fault, TestS3};

/// What is logged, in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("unpoisoned").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_outage_is_logged_once_when_it_begins_and_once_when_it_ends() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let s3 = TestS3::start();
    let url: ObjectUrl = s3.url().parse().expect("an address");
    let objects = Objects::open(&url, s3.variables()).expect("opens");
    let (name, png) = ("pictures/k/1-e.png", Bytes::from_static(b"a picture"));
    s3.set_fault(Fault::Away);
    for _ in 0..3 {
        objects.put(name, png.clone()).await.expect_err("away");
    }
    s3.set_fault(Fault::None);
    for _ in 0..3 {
        objects.put(name, png.clone()).await.expect("put");
    }
    let log = String::from_utf8(log.0.lock().expect("unpoisoned").clone()).expect("a text");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("the object store")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].contains("WARN") && lines[0].contains("is away") && lines[0].contains(name), "{log}");
    assert!(lines[1].contains("INFO") && lines[1].contains("answers again"), "{log}");
    let secret = s3.variables().into_iter().find(|(name, _)| name == "AWS_SECRET_ACCESS_KEY").expect("a secret").1;
    assert!(!log.contains(&secret));
}
