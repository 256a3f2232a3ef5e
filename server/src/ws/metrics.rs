//! Publishes the machine's metrics while a client is connected.

use crate::{machine, state::AppState};
use protocol::{Metrics, TaskStatus};
use std::time::{Duration, Instant};
use sysinfo::{MemoryRefreshKind, System};

const EVERY: Duration = Duration::from_secs(2);

/// Publishes `metrics` every two seconds until the server stops. Measures nothing while no client is connected.
pub async fn report(state: AppState) {
    let started = Instant::now();
    let mut system = System::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = state.stopping.cancelled() => return,
        }
        if state.hub.readers() > 0 {
            let metrics;
            // Reading /proc takes about a millisecond: too long to block the runtime.
            (system, metrics) = match tokio::task::spawn_blocking(move || measure(system, started)).await {
                Ok(measured) => measured,
                Err(error) => return tracing::error!(%error, "cannot measure the machine"),
            };
            state.hub.publish_metrics(with_tasks(metrics, &state).await);
        }
    }
}

async fn with_tasks(metrics: Metrics, state: &AppState) -> Metrics {
    let counts = state.store.counts().await.unwrap_or_default();
    let count = |status| counts.iter().find(|(of, _)| *of == status).map_or(0, |(_, count)| *count);
    Metrics {
        device: state.services.engine().models().compute().info.to_string(),
        queued_tasks: count(TaskStatus::Queued),
        running_tasks: count(TaskStatus::Running),
        ..metrics
    }
}

fn measure(mut system: System, started: Instant) -> (System, Metrics) {
    system.refresh_cpu_usage();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let metrics = Metrics {
        cpu_percent: system.global_cpu_usage(),
        memory_used_bytes: system.used_memory(),
        memory_total_bytes: system.total_memory(),
        process_memory_bytes: machine::process_memory_bytes(),
        uptime_s: started.elapsed().as_secs(),
        device: String::new(),
        queued_tasks: 0,
        running_tasks: 0,
    };
    (system, metrics)
}
