//! The binary `emberline`: command line, configuration, HTTP, WebSocket, media. It is also a library, so that the tests in
//! `tests/` can call it.

mod away;
pub mod cli;
pub mod commands;
pub mod data_dir;
mod events;
pub mod http;
pub mod logging;
mod machine;
mod media_url;
pub mod net;
pub mod one_line;
pub mod problem;
mod purge;
mod record;
mod running;
pub mod serve;
mod state;
mod ws;

pub use state::AppState;
