//! Integration tests of the binary. Each test starts it on a free port with its own data folder.

mod access;
mod api;
mod asking;
mod base_path;
mod checker;
#[cfg(unix)]
mod cluster;
mod cluster_doctor;
mod cluster_metrics;
mod connections;
mod data_faults;
mod data_loss;
mod deployed;
mod events;
mod exports;
mod flood;
mod generate;
mod generations;
mod headers;
mod imports;
mod inspect_extras;
mod library;
mod lists;
mod metrics;
mod models;
#[cfg(unix)]
mod moving;
mod object_states;
mod object_traces;
mod objects;
mod openapi;
mod overnight;
mod page;
#[cfg(unix)]
mod pause_at;
mod pauses;
mod pooled;
mod prompts;
mod records;
mod recovery;
mod rolling;
mod routing;
mod schema;
mod server_functions;
#[cfg(unix)]
mod several_servers;
mod several_workers;
mod shared_exports;
mod shared_log;
mod shared_sessions;
mod start_and_stop;
mod steering;
mod storm;
mod support;
mod thumbnails;
mod traces;
mod upscale;
