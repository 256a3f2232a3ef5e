//! `/metrics`: in the text format of Prometheus, version 0.0.4.

use super::openapi::{About, Api};
use crate::problem::ApiError;
use crate::{machine, state::AppState};
use axum::{extract::State, http::header};
use engine::Summary;
use protocol::{Problem, TaskStatus};
use std::fmt::{Display, Write};

/// The route with its summary.
pub fn routes(api: Api) -> Api {
    api.get("/metrics", get_metrics, About::new("server", "Metrics for Prometheus.").answers(&["text/plain"]))
}

/// Counters since the server started, and gauges.
async fn get_metrics(
    State(state): State<AppState>,
) -> Result<([(header::HeaderName, &'static str); 1], String), ApiError> {
    let counts = state.store.counts().await.map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "cannot count the tasks");
        Problem::Unavailable("the database does not answer".to_owned())
    })?;
    let memory = tokio::task::spawn_blocking(machine::process_memory_bytes).await.unwrap_or_default();
    let mut page = Page::default();
    tasks(&mut page, &counts);
    costs(&mut page, &state.services.engine().statistics().summary());
    page.one("emberline_websocket_clients", "gauge", "Connections to /ws.", state.hub.readers());
    let dropped = "Progress events that slow WebSocket clients did not get.";
    page.one("emberline_dropped_progress_events_total", "counter", dropped, state.hub.dropped_progress());
    page.one("process_resident_memory_bytes", "gauge", "Resident memory of the server.", memory);
    let device = state.services.engine().models().compute().info.to_string();
    page.family("emberline_build_info", "gauge", "1, with the version and the device that computes.");
    page.sample("emberline_build_info", &[("version", env!("CARGO_PKG_VERSION")), ("device", &device)], 1);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page.0))
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
