//! The binary `emberline`: command line, configuration, HTTP, WebSocket, media. A library as well, so that
//! the tests in `tests/` drive the same code.

mod budget;
pub mod cli;
pub mod commands;
pub mod data_dir;
mod exports;
pub mod http;
mod import;
pub mod logging;
mod machine;
pub mod net;
pub mod one_line;
mod record;
mod running;
pub mod serve;
mod service;
mod state;
mod ws;

pub use exports::Exports;
pub use service::StudioServices;
pub use state::AppState;
