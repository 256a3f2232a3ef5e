//! `/metrics`: in the text format of Prometheus, version 0.0.4.

use super::openapi::{About, Api};
use crate::problem::ApiError;
use crate::{machine, state::AppState};
use axum::{extract::State, http::header};
use engine::{Engine, Summary};
use protocol::{Problem, TaskStatus, Worker};
use std::fmt::{Display, Write};
use store::{Process, Store, StoreError};

/// The route with its summary.
pub fn routes(api: Api) -> Api {
    api.get("/metrics", get_metrics, About::new("server", "Metrics for Prometheus.").answers(&["text/plain"]))
}

/// Counters since the server started, and gauges.
async fn get_metrics(
    State(state): State<AppState>,
) -> Result<([(header::HeaderName, &'static str); 1], String), ApiError> {
    let engine = state.services.engine();
    let mut page = measured(&state.store, engine, &engine.list_workers()).await?;
    page.one("emberline_websocket_clients", "gauge", "Connections to /ws.", state.hub.readers());
    let dropped = "Progress events that slow WebSocket clients did not get.";
    page.one("emberline_dropped_progress_events_total", "counter", dropped, state.hub.dropped_progress());
    Ok(page.answer())
}

/// The metrics of a worker, which has no WebSocket clients.
pub(super) async fn of_worker(
    store: &Store,
    engine: &Engine,
) -> Result<([(header::HeaderName, &'static str); 1], String), ApiError> {
    // It does not follow the others.
    let workers = store.processes().await.map_err(unmeasured)?;
    let workers: Vec<Worker> = workers.iter().map(Process::to_worker).collect();
    Ok(measured(store, engine, &workers).await?.answer())
}

fn unmeasured(error: StoreError) -> Problem {
    tracing::warn!(error = &error as &dyn std::error::Error, "metrics cannot be read from the database");
    Problem::Unavailable("the database does not answer".to_owned())
}

/// What servers and workers measure.
async fn measured(store: &Store, engine: &Engine, all_workers: &[Worker]) -> Result<Page, ApiError> {
    let counts = store.counts().await.map_err(unmeasured)?;
    let memory = tokio::task::spawn_blocking(machine::process_memory_bytes).await.unwrap_or_default();
    let mut page = Page::default();
    tasks(&mut page, &counts);
    costs(&mut page, &engine.statistics().summary());
    workers(&mut page, all_workers);
    queue(&mut page, engine);
    database(&mut page, store);
    objects(&mut page, engine);
    page.one("process_resident_memory_bytes", "gauge", "Resident memory of the process.", memory);
    let device = engine.models().compute().info.to_string();
    page.family("emberline_build_info", "gauge", "1, with the version and the device that computes.");
    page.sample("emberline_build_info", &[("version", env!("CARGO_PKG_VERSION")), ("device", &device)], 1);
    Ok(page)
}

/// The servers and workers of the database that make pictures. Nothing on SQLite.
fn workers(page: &mut Page, workers: &[Worker]) {
    if workers.is_empty() {
        return;
    }
    page.family("emberline_workers", "gauge", "Servers and workers that make pictures, by what they do.");
    let state = |worker: &Worker| match (worker.draining, worker.tasks.is_empty()) {
        (true, _) => "draining",
        (false, false) => "busy",
        (false, true) => "idle",
    };
    for name in ["idle", "busy", "draining"] {
        let count = workers.iter().filter(|worker| worker.concurrency > 0 && state(worker) == name).count();
        page.sample("emberline_workers", &[("state", name)], count);
    }
}

/// What this process has taken from the queue and from others. Nothing on SQLite.
fn queue(page: &mut Page, engine: &Engine) {
    let Some(of) = engine.cluster_summary() else { return };
    page.family(
        "emberline_claims_total",
        "counter",
        "Tasks taken from the queue, by whether their model was in memory.",
    );
    for (warm, count) in [("true", of.warm_claims), ("false", of.cold_claims)] {
        page.sample("emberline_claims_total", &[("warm", warm)], count);
    }
    page.family("emberline_claim_seconds", "summary", "Time to take a task from the queue.");
    page.sum("emberline_claim_seconds", &[], of.claims_s, of.warm_claims + of.cold_claims);
    page.family("emberline_queue_wait_seconds", "summary", "Time in the queue until the first start.");
    page.sum("emberline_queue_wait_seconds", &[], of.waits_s, of.first_starts);
    let expired = "Runs of processes that were gone, which this one ended.";
    page.one("emberline_leases_expired_total", "counter", expired, of.leases_expired);
    let fenced = "What was refused because the run was over or another process's.";
    page.family("emberline_fenced_total", "counter", fenced);
    for (what, count) in [("step", of.fenced_steps), ("result", of.fenced_results)] {
        page.sample("emberline_fenced_total", &[("what", what)], count);
    }
}

/// The use of PostgreSQL. Nothing on SQLite.
fn database(page: &mut Page, store: &Store) {
    let Some(of) = store.measured() else { return };
    page.family("emberline_event_lag_seconds", "summary", "Age of changes when this process hears of them.");
    page.sum("emberline_event_lag_seconds", &[], of.event_lag.0, of.event_lag.1);
    page.family(
        "emberline_preview_age_seconds",
        "summary",
        "Age of previews when this process first reads their bytes.",
    );
    page.sum("emberline_preview_age_seconds", &[], of.preview_age.0, of.preview_age.1);
    page.family("emberline_live_bytes_total", "counter", "Bytes of previews written to the database and read from it.");
    for (direction, bytes) in [("out", of.live_bytes_out), ("in", of.live_bytes_in)] {
        page.sample("emberline_live_bytes_total", &[("direction", direction)], bytes);
    }
    let reconnects = "How often the connection was lost that follows the changes, or on which a worker waits.";
    page.one("emberline_listener_reconnects_total", "counter", reconnects, of.reconnects);
    page.family("emberline_database_seconds", "summary", "Time of statements on connections of their own.");
    for (call, seconds, calls) in of.database {
        page.sum("emberline_database_seconds", &[("call", call)], seconds, calls);
    }
}

/// The use of the object store. Nothing if pictures are in a folder.
fn objects(page: &mut Page, engine: &Engine) {
    let Some(pictures) = engine.media().pictures() else { return };
    page.family("emberline_object_seconds", "summary", "Time of requests to the object store, by what became of them.");
    for of in pictures.objects().calls() {
        page.sum("emberline_object_seconds", &[("op", of.op), ("outcome", of.outcome)], of.seconds, of.calls);
    }
    let waiting = "Finished pictures that wait for the object store.";
    page.one("emberline_spooled_pictures", "gauge", waiting, pictures.spool().waiting());
}

fn tasks(page: &mut Page, counts: &[(TaskStatus, u64)]) {
    page.family("emberline_tasks", "gauge", "Tasks in the database by status.");
    for (status, count) in counts {
        page.sample("emberline_tasks", &[("status", status.as_str())], count);
    }
    let waiting = counts.iter().find(|(status, _)| *status == TaskStatus::Queued).map_or(0, |(_, count)| *count);
    page.one("emberline_queue_length", "gauge", "Tasks that wait for a worker.", waiting);
}

/// Counters over generations that have ended. A running generation is added when it ends.
fn costs(page: &mut Page, of: &Summary) {
    page.family("emberline_step_seconds", "summary", "Time of sampling steps of ended generations.");
    page.sum("emberline_step_seconds", &[], of.steps_s, of.steps);
    page.family("emberline_preview_seconds", "summary", "Time of previews by stage.");
    let stages = [("decode", of.preview_decode_s), ("encode", of.preview_encode_s), ("write", of.preview_write_s)];
    for (stage, seconds) in stages {
        page.sum("emberline_preview_seconds", &[("stage", stage)], seconds, of.previews);
    }
    let dropped = "Steps without a preview: a newer one was there, or too little time had passed.";
    page.one("emberline_previews_dropped_total", "counter", dropped, of.previews_dropped);
    page.family("emberline_picture_seconds", "summary", "Time of finished pictures by stage.");
    for (stage, seconds) in [("decode", of.decode_s), ("encode", of.encode_s)] {
        page.sum("emberline_picture_seconds", &[("stage", stage)], seconds, of.pictures);
    }
}

/// The text being built.
#[derive(Debug, Default)]
struct Page(String);

impl Page {
    fn answer(self) -> ([(header::HeaderName, &'static str); 1], String) {
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], self.0)
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n").ok();
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels.iter().map(|(name, text)| format!("{name}=\"{}\"", escaped(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        writeln!(self.0, "{name}{labels} {value}").ok();
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn sum(&mut self, name: &str, labels: &[(&str, &str)], seconds: f64, count: u64) {
        self.sample(&format!("{name}_sum"), labels, seconds);
        self.sample(&format!("{name}_count"), labels, count);
    }
}

/// Escapes a label's value.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_families_are_written_once() {
        let mut page = Page::default();
        page.family("a", "summary", "Help.");
        page.sum("a", &[("of", "x\"y\\z\n")], 0.5, 2);
        let expected =
            "# HELP a Help.\n# TYPE a summary\na_sum{of=\"x\\\"y\\\\z\\n\"} 0.5\na_count{of=\"x\\\"y\\\\z\\n\"} 2\n";
        assert_eq!(page.0, expected);
    }
}
