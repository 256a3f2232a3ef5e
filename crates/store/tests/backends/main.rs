//! Tests of the store. Each runs on SQLite and on PostgreSQL.

mod concurrency;
mod damage;
mod database;
mod durability;
mod events;
mod generations;
mod late;
mod library;
mod log;
mod model;
mod moving;
mod objects;
mod opening;
mod pauses;
mod previews;
mod projects;
mod queue;
mod random;
mod requests;
mod runs;
mod steps;
mod studio;
mod styles;
mod tables;
mod timeline;
mod tls;
mod trace_objects;
mod turns;
mod unreadable;
mod wake_ups;
mod workers;

/// Defines a test for each database from an `async fn(&Database)`.
macro_rules! on_both {
    ($($body:ident),+ $(,)?) => {$(
        mod $body {
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                super::$body(&$crate::database::Database::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                if let Some(database) = $crate::database::Database::postgres().await {
                    super::$body(&database).await;
                }
            }
        }
    )+};
}
use on_both;
