//! What a server does beside others on one PostgreSQL: it renews the leases of its runs, reports steps, and starts and stops. On
//! SQLite these calls do nothing.

mod previews;
mod renewals;
mod servers;
mod steps;

pub use previews::{NewPreview, Showing};
pub use renewals::{Kept, Renewed};
pub use servers::SharedStart;
