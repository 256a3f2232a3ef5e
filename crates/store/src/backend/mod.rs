//! The two databases: how each is opened, its connections and its owner's lock.

pub(crate) mod files;
pub(crate) mod postgres;
pub(crate) mod sqlite;

use diesel_async::pooled_connection::deadpool::Pool;

/// The connection pools of the open database.
pub(crate) enum Pools {
    /// SQLite allows one writer at a time, so there is one writing connection. Calls wait for it in the pool's fair
    /// queue. Polling the file's lock instead is unfair: one of many callers can starve until it times out.
    Sqlite { writer: Pool<sqlite::Connection>, readers: Pool<sqlite::Connection> },
    /// PostgreSQL: any connection can read and write.
    Postgres(Pool<postgres::Connection>),
}

/// The lock of the one server that uses the database.
pub(crate) enum Owner {
    /// A locked file beside the database. The lock lasts as long as the file is open.
    Sqlite(#[allow(dead_code, reason = "kept for its lock")] std::fs::File),
    /// A session that holds an advisory lock.
    Postgres(#[allow(dead_code, reason = "kept for its session")] postgres::Session),
}
