//! Takes.

mod delete;

pub use delete::{DeleteTake, delete_take};
