//! Several servers and a worker whose only way to PostgreSQL is a pooler in transaction mode.

use crate::several_servers::{Place, generate, runs_as, task, wait_for};
use crate::several_workers::TestWorker;
use crate::support::{Events, run};
use serde_json::json;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);

/// A place behind a pooler with fewer connections than a server has.
fn pooled() -> Option<(Place, test_postgres::Pooler)> {
    let place = Place::new()?;
    let pooler = test_postgres::cluster()?.pooler(6)?;
    let address = pooler.address(place.name());
    Some((Place { url: address, ..place }, pooler))
}

#[test]
fn everything_works_behind_a_pooler_only_later() {
    let Some((place, _pooler)) = pooled() else { return };
    let migrated = run(&["migrate", "--database-url", &place.url]);
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let password = ["--password", "correct horse", "--token", "0123456789abcdef", "--concurrency", "0"];
    let locked = place.server(&password);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = locked.request("POST", "/sign-in", &form, Some(b"password=correct+horse&to=%2F"));
    let cookie = answer.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    let again = place.server(&password);
    assert_eq!(again.request("GET", "/api/v1/projects", &[("cookie", &cookie)], None).status, 200);
    drop((locked, again));

    let (one, two) = (place.server(&["--concurrency", "0"]), place.server(&["--concurrency", "0"]));
    let worker = TestWorker::start(&place, &["--name", "gpu"]);
    let project = one.create("Pooled");
    let mut events = Events::connect(&two, "");
    let long = generate(&one, &project, 256, 400, 1).remove(0);
    wait_for(&two, &long, "running", runs_as(1));
    // The worker's steps reach the clients of a server without notifications.
    let told = events.until("generation_progress", WITHIN);
    assert_eq!(told.last().expect("told")["data"]["task_id"], long["task_id"]);
    let shown = wait_for(&two, &long, "seen", |task| task["step"].as_u64().is_some_and(|step| step > 3));
    let path = long["preview_path"].as_str().expect("a path");
    let (preview, bytes) = two.bytes(path);
    assert_eq!((preview.status, bytes.is_empty()), (200, false), "{shown}");
    let kept = two.request("POST", &format!("/api/v1/tasks/{}/keep", long["task_id"]), &[], None);
    assert_eq!((kept.status, &kept.json()["status"]), (200, &json!("completed")), "{}", kept.text);

    let made = generate(&one, &project, 64, 6, 12);
    made.iter().for_each(|made| two.wait_for_task(&made["task_id"], "completed"));
    for made in &made {
        assert_eq!(task(&one, made)["attempt"], 1);
        let path = made["preview_path"].as_str().expect("a path");
        assert_eq!((one.bytes(path).1, one.get(path).status), (two.bytes(path).1, 200));
    }
    let gone = generate(&one, &project, 256, 400, 1).remove(0);
    wait_for(&one, &gone, "running", runs_as(1));
    let cancelled = two.request("POST", &format!("/api/v1/tasks/{}/cancel", gone["task_id"]), &[], None);
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (200, &json!("cancelled")));
    let next = generate(&one, &project, 64, 4, 1).remove(0);
    two.wait_for_task(&next["task_id"], "completed");
    drop(worker);
    for server in [one, two] {
        let (status, log, _) = server.stop();
        assert!(status.success() && !log.contains("prepared statement"), "{log}");
    }
}
