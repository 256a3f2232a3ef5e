//! `/health`: for supervisors and load balancers.

pub mod live;
pub mod ready;
