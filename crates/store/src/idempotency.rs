//! Idempotency keys: a request that is sent again under the same key returns the first answer and changes nothing.

use crate::StoreError;
use crate::rows::{IdempotencyRow, json_for_column};
use crate::schema::idempotency_keys;
use crate::transaction::on_connections;
use crate::unreadable::report;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::AcceptedTask;

/// How long a key is kept at least. Expired keys are deleted with the next purge.
const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// A client's idempotency key for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// 1 to 255 characters; unique within one project.
    pub key: String,
    /// A hash of the request. The same key with another fingerprint is a conflict.
    pub fingerprint: String,
}

on_connections! {
    trait IdempotencyQueries;

    /// The tasks that were accepted under this key before; none for a new key.
    ///
    /// `Conflict` when the key was used for another request, or when its stored answer cannot be read.
    async fn accepted_before(
        conn: Db,
        project_id: i64,
        idempotency: Idempotency,
    ) -> Result<Option<Vec<AcceptedTask>>, StoreError> {
        let of_key = idempotency_keys::table.find((project_id, idempotency.key.as_str()));
        let row = of_key.select(IdempotencyRow::as_select()).first::<IdempotencyRow>(conn).await.optional()?;
        let Some(row) = row else { return Ok(None) };
        if row.fingerprint != idempotency.fingerprint {
            let why = "the idempotency key was used before, for another request; use a new one".to_owned();
            return Err(StoreError::Conflict { why });
        }
        let Ok(accepted) = serde_json::from_str::<Vec<AcceptedTask>>(&row.tasks) else {
            report("idempotency_keys", &row.key, &"the accepted tasks are not valid JSON");
            let why = "what was answered under this idempotency key cannot be read; use a new one".to_owned();
            return Err(StoreError::Conflict { why });
        };
        Ok(Some(accepted))
    }

    /// Stores the answer to a request under its key.
    async fn remember_accepted(
        conn: Db,
        project_id: i64,
        idempotency: Idempotency,
        accepted: Vec<AcceptedTask>,
        now: i64,
    ) -> Result<(), StoreError> {
        let Idempotency { key, fingerprint } = idempotency;
        let tasks = json_for_column("idempotency_keys.tasks", &accepted)?;
        let row = IdempotencyRow { project_id, key, fingerprint, tasks, created_at: now };
        diesel::insert_into(idempotency_keys::table).values(row).execute(conn).await?;
        Ok(())
    }

    /// Deletes keys that are older than a day.
    async fn delete_expired_keys(conn: Db, now: i64) -> Result<(), StoreError> {
        let expired = idempotency_keys::table.filter(idempotency_keys::created_at.lt(now - KEPT_MS));
        diesel::delete(expired).execute(conn).await?;
        Ok(())
    }
}
