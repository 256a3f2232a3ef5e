//! WebSocket `/ws`: `hello` first, then every event, and the machine's metrics every two seconds.

mod connection;
mod converse;
mod library;
mod metrics;
mod queue;
mod workers;

pub use self::library::report as report_library;
pub use connection::routes;
pub use metrics::report as report_metrics;
pub use queue::report as report_queue;
pub use workers::report as report_workers;
