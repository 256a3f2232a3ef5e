//! Metrics of servers and workers on one PostgreSQL. Dashboards and alerts use the names.

use crate::several_servers::{Place, generate, runs_as, wait_for};
use crate::several_workers::TestWorker;
use crate::support::{Answer, request, run};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    time::{Duration, Instant},
};

const WITHIN: Duration = Duration::from_secs(10);

/// The metrics of every process, and those of servers that share a database.
const EVERYWHERE: [&str; 9] = [
    "emberline_tasks",
    "emberline_queue_length",
    "emberline_step_seconds",
    "emberline_preview_seconds",
    "emberline_previews_dropped_total",
    "emberline_picture_seconds",
    "process_resident_memory_bytes",
    "emberline_build_info",
    "emberline_workers",
];
const SHARED: [&str; 10] = [
    "emberline_claims_total",
    "emberline_claim_seconds",
    "emberline_queue_wait_seconds",
    "emberline_leases_expired_total",
    "emberline_fenced_total",
    "emberline_event_lag_seconds",
    "emberline_preview_age_seconds",
    "emberline_live_bytes_total",
    "emberline_listener_reconnects_total",
    "emberline_database_seconds",
];
const SERVER: [&str; 2] = ["emberline_websocket_clients", "emberline_dropped_progress_events_total"];

fn names(answer: &Answer) -> BTreeSet<&str> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let types = answer.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next()).collect()
}

/// The values by name and labels.
pub fn samples(answer: &Answer) -> BTreeMap<String, f64> {
    let lines = answer.text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, value)| (name.into(), value.parse().expect("a number")))
        .collect()
}

#[test]
fn servers_and_workers_count_what_they_do_beside_others() {
    let Some(place) = Place::new() else { return };
    let web = place.server(&["--concurrency", "0"]);
    let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").to_string();
    let worker = TestWorker::start(&place, &["--name", "gpu", "--metrics-listen", &free]);
    assert!(worker.is_ready());
    let of_worker = |path: &str| request(&format!("http://{free}{path}"), "GET", &[], None).expect("an answer");
    assert_eq!((of_worker("/health/ready").status, of_worker("/health/live").status), (200, 200));
    assert_eq!((of_worker("/").status, of_worker("/api/v1/projects").status), (404, 404));
    let foreign = request(&format!("http://{free}/metrics"), "GET", &[("host", "evil.example")], None);
    assert_eq!(foreign.expect("an answer").status, 403);

    let project = web.create("Counted");
    for made in generate(&web, &project, 64, 4, 2) {
        web.wait_for_task(&made["task_id"], "completed");
    }
    let long = generate(&web, &project, 256, 400, 1).remove(0);
    wait_for(&web, &long, "seen", |task| runs_as(1)(task) && task["step"].as_u64().is_some_and(|step| step > 2));
    assert_eq!(web.bytes(long["preview_path"].as_str().expect("a path")).0.status, 200);
    let cancelled = web.request("POST", &format!("/api/v1/tasks/{}/cancel", long["task_id"]), &[], None);
    assert_eq!(cancelled.status, 200);

    let (here, there) = (web.get("/metrics"), of_worker("/metrics"));
    let both: BTreeSet<&str> = EVERYWHERE.iter().chain(&SHARED).copied().collect();
    assert_eq!(names(&there), both);
    assert_eq!(names(&here), both.iter().chain(&SERVER).copied().collect());
    let (here, there) = (samples(&here), samples(&there));
    let claims = ["true", "false"].map(|warm| there[&format!("emberline_claims_total{{warm=\"{warm}\"}}")]);
    assert_eq!((claims[0] + claims[1], there["emberline_claim_seconds_count"]), (3.0, 3.0));
    assert_eq!(there["emberline_queue_wait_seconds_count"], 3.0);
    assert!(there["emberline_queue_wait_seconds_sum"] > 0.0 && there["emberline_claim_seconds_sum"] > 0.0);
    assert_eq!(here["emberline_claim_seconds_count"], 0.0, "it makes no pictures");
    assert!(there["emberline_live_bytes_total{direction=\"out\"}"] > 1000.0);
    assert!(here["emberline_live_bytes_total{direction=\"in\"}"] > 1000.0);
    assert!(here["emberline_event_lag_seconds_count"] > 5.0 && here["emberline_event_lag_seconds_sum"] > 0.0);
    let ages = ["count", "sum"].map(|of| here[&format!("emberline_preview_age_seconds_{of}")]);
    assert!(ages[0] >= 1.0 && ages[1] > 0.0 && ages[1] < ages[0] * 60.0, "{ages:?}");
    assert_eq!(there["emberline_preview_age_seconds_count"], 0.0, "it shows none");
    assert_eq!(there["emberline_event_lag_seconds_count"], 0.0, "it does not follow the others");
    for call in ["renewal", "step"] {
        assert!(there[&format!("emberline_database_seconds_count{{call=\"{call}\"}}")] > 2.0, "{call}");
    }
    // A server looks at the list of workers once a second.
    let makes_pictures = || {
        let now = samples(&web.get("/metrics"));
        ["idle", "busy", "draining"]
            .map(|state| now[&format!("emberline_workers{{state=\"{state}\"}}")])
            .iter()
            .sum::<f64>()
    };
    let begun = Instant::now();
    while makes_pictures() != 1.0 {
        assert!(begun.elapsed() < WITHIN, "the server makes no pictures, the worker does: {}", makes_pictures());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn metrics_without_a_password_are_for_this_machine_only() {
    let arguments = ["--database-url", "postgres://localhost/none", "--media-url", "/tmp", "--metrics-listen"];
    let refused = run(&[&["worker"][..], &arguments, &["0.0.0.0:0"]].concat());
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && why.contains("--metrics-listen 0.0.0.0:0: must be a loopback address"),
        "{why}"
    );
}
