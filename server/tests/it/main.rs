//! Integration tests of the binary. Each test starts it on a free port with its own data folder.

mod access;
mod api;
mod base_path;
mod checker;
mod connections;
mod data_faults;
mod data_loss;
mod events;
mod exports;
mod flood;
mod generate;
mod generations;
mod imports;
mod lists;
mod metrics;
mod models;
mod openapi;
mod page;
mod records;
mod recovery;
mod schema;
mod server_functions;
mod start_and_stop;
mod storm;
mod support;
