//! WebSocket `/ws`: `hello` first, then every event, and the machine's metrics every two seconds.

mod connection;
mod converse;
mod hub;
mod metrics;
mod queue;
mod reader;

pub use connection::routes;
pub use hub::Hub;
pub use metrics::report as report_metrics;
pub use queue::report as report_queue;
