//! Publishes events: the hub numbers them, keeps the newest and puts each into the queue of every connection.

mod hub;
mod numbers;
mod reader;
#[cfg(test)]
mod shared;

pub use hub::{Hub, Position, Subscription, json};
pub use reader::Reader;
