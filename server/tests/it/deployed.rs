//! What is in `deploy`: the rights of workers, and HAProxy's configuration before two servers.

use crate::cluster::balancer::{free_port, haproxy};
use crate::several_servers::{Place, execute, generate, runs_as, wait_for};
use crate::several_workers::TestWorker;
use crate::support::request;
use serde_json::json;
use std::{
    io::Write,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

fn deploy(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The place as a worker with its own role sees it.
fn with_least_rights(place: &Place) -> Place {
    execute(place, "DO $$ BEGIN CREATE ROLE emberline_worker LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    execute(place, &deploy("worker-rights.sql"));
    let pictures = tempfile::tempdir().expect("a folder");
    Place { url: place.url.replace("user=ember", "user=emberline_worker"), pictures }
}

#[test]
fn a_worker_needs_no_more_than_the_rights_in_deploy() {
    let Some(place) = Place::new() else { return };
    let web = place.server(&["--concurrency", "0"]);
    let limited = with_least_rights(&place);
    let pictures = place.pictures.path().display().to_string();
    let worker = TestWorker::start(&limited, &["--name", "limited", "--media-url", &pictures]);
    assert!(worker.is_ready(), "it does not start");
    let project = web.create("Limited");
    let made = generate(&web, &project, 64, 6, 2);
    made.iter().for_each(|made| web.wait_for_task(&made["task_id"], "completed"));
    // One that is paused and resumed, one that is kept and one that is cancelled, with its frame.
    let paused = generate(&web, &project, 256, 300, 1).remove(0);
    wait_for(&web, &paused, "running", runs_as(1));
    let act = |task: &serde_json::Value, act: &str| {
        let answer = web.request("POST", &format!("/api/v1/tasks/{}/{act}", task["task_id"]), &[], None);
        assert_eq!(answer.status, 200, "{act}: {}", answer.text);
    };
    act(&paused, "pause");
    wait_for(&web, &paused, "paused", |task| task["status"] == "paused");
    act(&paused, "resume");
    wait_for(&web, &paused, "running again", runs_as(2));
    act(&paused, "keep");
    let cancelled = generate(&web, &project, 256, 300, 1).remove(0);
    wait_for(&web, &cancelled, "running", runs_as(1));
    act(&cancelled, "cancel");
    let failing = json!({"prompt": "a red car", "steps": 2, "width": 64, "height": 64, "init_take_id": made[0]["take_id"],
        "strength": 0.5});
    let again = web.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &failing).json();
    web.wait_for_task(&again["tasks"][0]["task_id"], "completed");
    let log = worker.stopped();
    assert!(!log.contains("permission denied"), "{log}");
    for refused in [
        "SELECT count(*) FROM sessions",
        "SELECT count(*) FROM sign_in_attempts",
        "UPDATE settings SET value = value",
        "INSERT INTO projects (name) VALUES ('x')",
        "UPDATE projects SET name = 'x'",
        "DELETE FROM frames",
        "SELECT count(*) FROM exports",
        "CREATE TABLE more (id INTEGER)",
    ] {
        // As that role: each is refused, or the check itself fails.
        let check = format!(
            "SET ROLE emberline_worker; DO $$ BEGIN EXECUTE '{}'; RAISE EXCEPTION 'it may'; \
             EXCEPTION WHEN insufficient_privilege THEN NULL; END $$",
            refused.replace('\'', "''")
        );
        execute(&place, &check);
    }
}

/// A running HAProxy.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_person_is_signed_in_behind_a_balancer_without_sticky_sessions() {
    let Some(program) = haproxy() else {
        // Not eprintln!, whose output the test harness hides when a test passes.
        let _ = writeln!(std::io::stderr(), "\nSKIPPED: the tests of deploy/haproxy.cfg: haproxy is not installed");
        return;
    };
    let Some(place) = Place::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("haproxy.cfg");
    std::fs::write(&config, deploy("haproxy.cfg")).expect("written");
    let checked = Command::new(&program).args(["-c", "-f"]).arg(&config).output().expect("it runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let options = ["--password", "correct horse", "--concurrency", "0", "--trust-proxy", "127.0.0.1"];
    let servers = [place.server(&options), place.server(&options)];
    let free = free_port();
    let mut text = deploy("haproxy.cfg").replace("bind :3000", &format!("bind 127.0.0.1:{free}"));
    for (name, server) in ["web1:3000", "web2:3000"].iter().zip(&servers) {
        assert!(text.contains(name));
        text = text.replace(name, server.url.trim_start_matches("http://"));
    }
    // One after the other, so that no server answers twice in a row.
    std::fs::write(&config, text.replace("balance leastconn", "balance roundrobin")).expect("written");
    let mut command = Command::new(&program);
    command.args(["-db", "-f"]).arg(&config).stderr(Stdio::null()).stdout(Stdio::null());
    let _proxy = Proxy(command.spawn().expect("it starts"));
    let url = format!("http://127.0.0.1:{free}");
    let deadline = Instant::now() + Duration::from_secs(20);
    while request(&format!("{url}/health/ready"), "GET", &[], None).map_or(0, |answer| answer.status) != 200 {
        assert!(Instant::now() < deadline, "not ready in 20 s");
        std::thread::sleep(Duration::from_millis(50));
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = Some(&b"password=correct+horse&to=%2F"[..]);
    let answer = request(&format!("{url}/sign-in"), "POST", &form, body).expect("an answer");
    let cookie = answer.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    let list = |place: usize| {
        let answer = request(&format!("{url}/api/v1/projects"), "GET", &[("cookie", &cookie)], None);
        assert_eq!(answer.expect("an answer").status, 200, "request {place}");
    };
    (0..20).for_each(list);
    // The other one answers everything when one stops.
    let [one, two] = servers;
    assert!(one.stop().0.success());
    (0..20).for_each(list);
    drop(two);
}
