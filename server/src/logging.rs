//! Logs to standard error, in text or as JSON lines.

use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people; in colour on a terminal.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// The default filter. It leaves out the tuning of each GPU kernel: dozens of lines at the first picture of a size.
pub const DEFAULT_FILTER: &str = "info,cubecl_runtime=warn";

/// Sets up logging for the process. An invalid filter is replaced by the default, with a warning.
pub fn init(format: LogFormat, filter: &str) {
    let parsed = EnvFilter::try_new(filter);
    let error = parsed.as_ref().err().map(ToString::to_string);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed.unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER)))
        .with_writer(io::stderr);
    let started = match format {
        LogFormat::Human => builder.with_ansi(io::stderr().is_terminal()).with_target(false).compact().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // A second call (tests in one process) keeps the first subscriber.
    if started.is_ok()
        && let Some(error) = error
    {
        tracing::warn!(filter, error, "invalid log filter; using the default");
    }
}
