//! Runs on PostgreSQL, where several servers share the queue.
//!
//! A running task has one row in `runs`: which server makes it, as which attempt, and until when its lease lasts. The server
//! renews the lease as long as it works. If it does not, another server queues the task again ([`Store::end_expired_run`]). Times
//! are the database's; no two clocks are compared. The row goes with the task's status, by a trigger.
//!
//! On SQLite one process has all running tasks, and there are no such rows.
//!
//! [`Store::end_expired_run`]: crate::Store::end_expired_run

mod holder;
mod leases;
mod own;

pub(crate) use holder::{Holder, RunRows};
pub(crate) use leases::Leases;
pub(crate) use own::Own;
