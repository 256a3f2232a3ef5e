//! The two databases: how each is opened, and its connections.

pub(crate) mod files;
pub(crate) mod postgres;
mod reach;
pub(crate) mod sqlite;
mod tls;

pub(crate) use reach::Reach;

use diesel_async::pooled_connection::deadpool::Pool;

/// The connection pools of the open database.
pub(crate) enum Pools {
    /// SQLite allows one writer at a time, so there is one writing connection. Calls wait for it in the pool's fair
    /// queue. Polling the file's lock instead is unfair: one of many callers can starve until it times out.
    Sqlite { writer: Pool<sqlite::Connection>, readers: Pool<sqlite::Connection> },
    /// PostgreSQL: any connection can read and write.
    Postgres(Pool<postgres::Connection>),
}
