//! The binary `emberline`: command line, configuration, HTTP, WebSocket, media. It is also a library, so that the tests in
//! `tests/` can call it.

pub mod cli;
pub mod commands;
pub mod data_dir;
pub mod http;
pub mod logging;
mod machine;
pub mod net;
pub mod one_line;
mod purge;
mod record;
mod running;
pub mod serve;
mod state;
mod ws;

pub use state::AppState;
