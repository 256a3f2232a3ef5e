//! WebSocket `/ws`: `hello` first, then every event, and the machine's metrics every two seconds.

mod connection;
mod converse;
mod metrics;
mod queue;

pub use connection::routes;
pub use metrics::report as report_metrics;
pub use queue::report as report_queue;
