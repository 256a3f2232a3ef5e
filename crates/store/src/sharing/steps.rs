//! Messages to other servers: steps with their previews, and requests to keep a picture.

use super::previews::NewPreview;
use super::wishes::Wishes;
use crate::live::{LIVE, Live};
use crate::rows::to_column;
use crate::{Store, StoreError};
use protocol::{GenerationProgress, TaskId};
use std::{sync::atomic::Ordering, time::Duration};
use tokio_postgres::{
    SimpleQueryMessage,
    types::{ToSql, Type},
};

/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(3);

/// PostgreSQL refuses notifications of 8000 bytes and more.
const MOST_BYTES: usize = 7999;

/// Notes a step of a run that this process holds, stores its preview if that is newer than the stored one, and notifies the other
/// servers. Does none of it if the run is over: no other statement can come in between.
const STEP: &str = "\
    WITH mine AS (UPDATE runs SET step = greatest(step, $4), progress = nullif($10, '') \
        WHERE task_id = $1 AND attempt = $2 AND server_id = $3 RETURNING task_id, attempt, keep), \
    shown AS (INSERT INTO live_previews AS p (take_id, attempt, step, etag, png) \
        SELECT $5, $2, $6, $7, $8 FROM mine WHERE $8 IS NOT NULL \
        ON CONFLICT (take_id) DO UPDATE \
            SET attempt = excluded.attempt, step = excluded.step, etag = excluded.etag, png = excluded.png, \
                stored_at = excluded.stored_at \
            WHERE (p.attempt, p.step) < (excluded.attempt, excluded.step)) \
    SELECT mine.keep, EXISTS (SELECT FROM run_requests q \
            WHERE q.task_id = mine.task_id AND q.attempt = mine.attempt AND NOT q.done), \
        CASE WHEN length($10) > 0 THEN pg_notify($9, $10)::text END, \
        set_config('synchronous_commit', 'off', TRUE) FROM mine";

impl Store {
    /// Tells the other servers about a step, after storing the run's newest preview for them, if one is given. Returns what is
    /// wanted of the run; none if this process has lost it: then nothing is stored, and nobody hears of it. Always none on SQLite.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn report_step(
        &self,
        event: GenerationProgress,
        preview: Option<&NewPreview>,
    ) -> Result<Option<Wishes>, StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(None) };
        let server = self.inner.own.holder().server.to_string();
        let (task, take, step) = (event.of.task_id.0, event.of.take_id.0, to_column("runs.step", event.step)?);
        let attempt = to_column("runs.attempt", event.of.attempt)?;
        let preview_step =
            preview.map(|preview| to_column("live_previews.step", preview.step)).transpose()?.unwrap_or_default();
        let (etag, png) = preview.map(|preview| (preview.etag.as_str(), preview.png.as_slice())).unzip();
        let message = serde_json::to_string(&Live::Progress { server: server.clone(), event });
        // PostgreSQL would refuse the whole statement.
        let message = message.ok().filter(|message| message.len() <= MOST_BYTES).unwrap_or_default();
        let values: [(&(dyn ToSql + Sync), Type); 10] = [
            (&task, Type::INT8),
            (&attempt, Type::INT4),
            (&server, Type::TEXT),
            (&step, Type::INT4),
            (&take, Type::INT8),
            (&preview_step, Type::INT4),
            (&etag, Type::TEXT),
            (&png, Type::BYTEA),
            (&LIVE, Type::TEXT),
            (&message, Type::TEXT),
        ];
        let answer = leases.steps.query_with(STEP, &values, ANSWER).await?;
        let wishes = answer.first().map(|row| Wishes { keep: row.get(0), has_requests: row.get(1) });
        if let Some(preview) = preview.filter(|_| wishes.is_some()) {
            self.inner.counts.live_bytes_out.fetch_add(preview.png.len() as u64, Ordering::Relaxed);
        }
        Ok(wishes)
    }

    /// Asks the server that runs a task to keep its current estimate as the final picture. Returns the attempt; none if the task
    /// does not run, and on SQLite.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn keep_run(&self, task: TaskId) -> Result<Option<u32>, StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(None) };
        let sql = format!(
            "WITH kept AS (UPDATE runs SET keep = TRUE WHERE task_id = {task} RETURNING task_id, attempt) \
             SELECT attempt, pg_notify('{LIVE}', \
                 json_build_object('keep', json_build_object('task', task_id, 'attempt', attempt))::text) FROM kept"
        );
        let answer = leases.steps.query(&sql, ANSWER).await?;
        Ok(answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        }))
    }
}
