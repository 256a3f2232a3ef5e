//! What a server does beside others on one PostgreSQL: it renews the leases of its runs, reports steps, and starts and stops. On
//! SQLite these calls do nothing.

mod exports;
mod health;
mod idle;
mod measured;
mod previews;
mod renewals;
mod requests;
mod servers;
mod sessions;
mod steps;
mod wishes;
mod workers;

pub use exports::SharedExports;
pub use health::Health;
pub use measured::Measured;
pub use previews::{NewPreview, Showing};
pub use renewals::{Kept, Renewed};
pub(crate) use requests::RequestRows;
pub use requests::{Asked, RequestState, RunRequest};
pub use servers::SharedStart;
pub use sessions::SharedSessions;
pub use wishes::{RunsNow, Wishes};
pub use workers::{About, OwnProcess, Process};
