//! `/metrics` in Prometheus' text format.

use crate::support::{Events, TestServer};
use serde_json::json;
use std::collections::HashMap;

/// All samples, by name and labels. Panics on an invalid line, or a metric without HELP and TYPE.
fn samples(server: &TestServer) -> HashMap<String, f64> {
    let answer = server.get("/metrics");
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let mut kinds = HashMap::new();
    let mut found = HashMap::new();
    for line in answer.text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a name and a kind");
            assert!(matches!(kind, "counter" | "gauge" | "summary"), "{line}");
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is declared twice");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').expect("a sample");
            let name = series.split('{').next().expect("a name");
            let family = name.trim_end_matches("_sum").trim_end_matches("_count");
            assert!(kinds.contains_key(name) || kinds[family] == "summary", "{line}");
            assert!(found.insert(series.to_owned(), value.parse().expect("a number")).is_none(), "{series} twice");
        }
    }
    found
}

#[test]
fn figures_follow_what_happens() {
    let server = TestServer::start();
    let before = samples(&server);
    for status in ["queued", "running", "completed", "failed", "cancelled"] {
        assert_eq!(before[&format!("emberline_tasks{{status=\"{status}\"}}")], 0.0);
    }
    assert_eq!((before["emberline_step_seconds_count"], before["emberline_websocket_clients"]), (0.0, 0.0));
    assert!(before["process_resident_memory_bytes"] > 1e6);

    let _events = Events::connect(&server, "");
    let project = server.create("Figures");
    let path = format!("/api/v1/projects/{}/generations", project["id"]);
    let body = json!({"prompt": "a red car", "steps": 4, "width": 64, "height": 64, "preview_method": "latent2rgb"});
    let accepted = server.send("POST", &path, &body).json();
    server.wait_for_task(&accepted["tasks"][0]["task_id"], "completed");
    server.send("POST", "/api/v1/queue/pause", &json!({}));
    server.send("POST", &path, &body);

    let after = samples(&server);
    assert_eq!(after["emberline_tasks{status=\"completed\"}"], 1.0);
    assert_eq!((after["emberline_tasks{status=\"queued\"}"], after["emberline_queue_length"]), (1.0, 1.0));
    assert_eq!((after["emberline_step_seconds_count"], after["emberline_websocket_clients"]), (4.0, 1.0));
    assert!(after["emberline_step_seconds_sum"] > 0.0);
    let previews = after["emberline_preview_seconds_count{stage=\"decode\"}"];
    assert!((2.0..=4.0).contains(&previews), "first and last are always shown: {previews}");
    assert_eq!(previews + after["emberline_previews_dropped_total"], 4.0);
    for stage in ["decode", "encode", "write"] {
        assert!(after[&format!("emberline_preview_seconds_sum{{stage=\"{stage}\"}}")] > 0.0, "{stage}");
    }
    for stage in ["decode", "encode"] {
        assert!(after[&format!("emberline_picture_seconds_sum{{stage=\"{stage}\"}}")] > 0.0, "{stage}");
        assert_eq!(after[&format!("emberline_picture_seconds_count{{stage=\"{stage}\"}}")], 1.0, "{stage}");
    }
    assert_eq!(after["emberline_dropped_progress_events_total"], 0.0);
}
