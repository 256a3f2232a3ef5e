//! The queue's workers: each claims the next queued task, generates its picture and publishes the result.

mod admission;
mod attempt;
mod control;
mod error;
mod eta;
mod generate;
mod inputs;
mod overnight;
mod pausing;
mod progress;
mod sample;
mod shared;
mod storing;
mod unwritten;
mod worker;
mod workers;

pub(crate) use control::Control;
pub(crate) use shared::Shared;
pub(crate) use worker::run as run_worker;
pub(crate) use workers::Workers;
