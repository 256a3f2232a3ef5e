//! What the servers of a database offer. Pages read it once, and read it again when the log gets another epoch.

use crate::backend::Pools;
use crate::transaction::{checkout, in_own_task};
use crate::{Store, StoreError};
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use std::sync::Arc;

/// Stores the text, and gives the log another epoch if another one was stored.
const NOTE: &str = "WITH put AS (INSERT INTO settings (name, value) VALUES ('offered', $1) ON CONFLICT (name) \
         DO UPDATE SET value = excluded.value WHERE settings.value <> excluded.value RETURNING value) \
     UPDATE event_head SET epoch = $2 WHERE EXISTS (SELECT FROM put)";

impl Store {
    /// Notes what this server offers: names of models, for example. If the last server to start offered something else, pages
    /// that are open read everything again when they connect. Nothing on SQLite, where they always do after a start. Call it
    /// before [`Store::subscribe`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn note_offered(&self, offered: String) -> Result<(), StoreError> {
        let Pools::Postgres(pool) = &self.inner.pools else { return Ok(()) };
        let (inner, pool) = (Arc::clone(&self.inner), pool.clone());
        in_own_task(async move {
            let mut object = checkout(&inner.database, pool.get()).await?;
            diesel_async::AsyncConnection::transaction(&mut *object, async move |conn| {
                let note = diesel::sql_query(NOTE).bind::<Text, _>(offered);
                note.bind::<Text, _>(format!("{:032x}", rand::random::<u128>())).execute(conn).await?;
                Ok(())
            })
            .await
        })
        .await
    }
}
