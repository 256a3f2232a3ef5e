//! `emberline doctor` on a database that several servers use.

use crate::several_servers::{Place, execute};
use crate::several_workers::TestWorker;
use crate::support::run;

/// Exit status, and the lines on standard output.
fn doctor(place: &Place) -> (Option<i32>, String) {
    let (data, pictures) = (tempfile::tempdir().expect("a folder"), place.pictures.path().display().to_string());
    let data = data.path().join("not there").display().to_string();
    let output = run(&["doctor", "--data-dir", &data, "--database-url", &place.url, "--media-url", &pictures]);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn line<'a>(text: &'a str, what: &str) -> &'a str {
    let is_it = |line: &&str| line.get(6..).is_some_and(|line| line.starts_with(what));
    text.lines().find(is_it).unwrap_or_else(|| panic!("no line {what} in {text}"))
}

#[test]
fn doctor_looks_at_all_servers_and_workers() {
    let Some(place) = Place::new() else { return };
    let _web = place.server(&["--concurrency", "0"]);
    let worker = TestWorker::start(&place, &["--name", "gpu 1"]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let (status, text) = loop {
        let (status, text) = doctor(&place);
        if text.contains("models of all: starter") || std::time::Instant::now() > deadline {
            break (status, text);
        }
    };
    assert_eq!(status, Some(0), "{text}");
    assert!(line(&text, "postgres").starts_with("ok    postgres PostgreSQL 1"), "{text}");
    assert!(line(&text, "postgres").contains("not encrypted; this clock is "), "{text}");
    assert!(line(&text, "workers").contains("2 servers and workers"), "{text}");
    assert!(text.contains("gpu 1: worker ") && text.contains(", 0 tasks"), "{text}");
    assert!(line(&text, "shared").contains("models of all: starter"), "{text}");
    assert!(line(&text, "pictures").contains("is the folder of this database"), "{text}");
    // A model of the same name with other files, and a worker that is gone.
    let like = |id: &str, name: &str, from_now: &str, fingerprint: &str| {
        let about = format!(
            "regexp_replace(replace(about, 'gpu 1', '{name}'), '\"fingerprint\":[^,}}]*', '\"fingerprint\":\"{fingerprint}\"')"
        );
        let lease = format!("clock_timestamp() + interval '{from_now}'");
        execute(
            &place,
            &format!(
                "INSERT INTO servers (id, version, lease_until, about) SELECT '{id}', version, {lease}, {about} \
                 FROM servers WHERE about LIKE '%gpu 1%'"
            ),
        );
    };
    like("gone", "gpu 7", "-1 minute", "a");
    like("first", "gpu 8", "1 hour", "b");
    like("second", "gpu 9", "1 hour", "c");
    let (status, text) = doctor(&place);
    assert_eq!(status, Some(1), "{text}");
    let shared = line(&text, "shared");
    assert!(shared.starts_with("FAULT shared   models with one name and different files: starter is "), "{text}");
    assert!(shared.contains("b on gpu 8") && shared.contains("c on gpu 9"), "{text}");
    assert!(text.contains("does not answer: gpu 7, 6"), "{text}");
    drop(worker);
}
