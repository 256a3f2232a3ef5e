//! Exports of all servers of a database: what each is, and which server writes it.

use crate::{Store, StoreError};
use protocol::{ExportId, ProjectId};
use std::time::Duration;
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Fails the exports of servers that are gone: whose lease has been over for `$2` milliseconds. After an outage of the database the
/// servers renew theirs first.
const FAIL_LOST: &str = "UPDATE exports e SET is_open = FALSE, \
        body = jsonb_set(jsonb_set(body, '{export,status}', '\"failed\"'), '{export,error}', to_jsonb($1)) \
    WHERE is_open AND NOT EXISTS (SELECT FROM servers s WHERE s.id = e.server_id \
        AND s.lease_until > clock_timestamp() - $2 * interval '1 millisecond')";

const OPEN: &str = "SELECT count(*), count(*) FILTER (WHERE project_id = $1) FROM exports WHERE is_open";

const OLD: &str = "DELETE FROM exports WHERE NOT is_open AND id NOT IN (SELECT id FROM exports ORDER BY id DESC LIMIT $1) \
    RETURNING body::text";

/// The exports of all servers.
#[derive(Clone, Debug)]
pub struct SharedExports(Store);

impl Store {
    /// The exports of all servers; none on SQLite, which one server uses.
    pub fn exports(&self) -> Option<SharedExports> {
        self.is_shared().then(|| SharedExports(self.clone()))
    }
}

impl SharedExports {
    /// The number of exports that wait or are being written: all, and those of a project.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn open(&self, project: ProjectId) -> Result<(usize, usize), StoreError> {
        let rows = self.query(OPEN, &[(&project.0, Type::INT8)]).await?;
        let count =
            |row: &Row, column| row.try_get::<_, i64>(column).ok().and_then(|count| usize::try_from(count).ok());
        Ok(rows.first().and_then(|row| Some((count(row, 0)?, count(row, 1)?))).unwrap_or_default())
    }

    /// An id that was never used before.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn next_id(&self) -> Result<ExportId, StoreError> {
        let rows = self.query("SELECT nextval(pg_get_serial_sequence('exports', 'id'))", &[]).await?;
        let id = rows.first().and_then(|row| row.try_get(0).ok());
        id.map(ExportId)
            .ok_or_else(|| StoreError::Undecodable { why: "the sequence of exports has no value".to_owned() })
    }

    /// Adds an export that this server writes. `body` is JSON with the object `export`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn add(&self, id: ExportId, project: ProjectId, body: &str) -> Result<(), StoreError> {
        let server = self.0.server_id().unwrap_or_default();
        let sql = "INSERT INTO exports (id, project_id, server_id, body) OVERRIDING SYSTEM VALUE \
            VALUES ($1, $2, $3, $4::text::jsonb)";
        let values: [(&(dyn ToSql + Sync), Type); 4] =
            [(&id.0, Type::INT8), (&project.0, Type::INT8), (&server, Type::TEXT), (&body, Type::TEXT)];
        self.query(sql, &values).await.map(drop)
    }

    /// Replaces what is known about an export. Returns false if it is deleted.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn put(&self, id: ExportId, body: &str, is_open: bool) -> Result<bool, StoreError> {
        let sql = "UPDATE exports SET body = $2::text::jsonb, is_open = $3 WHERE id = $1 RETURNING id";
        let values: [(&(dyn ToSql + Sync), Type); 3] =
            [(&id.0, Type::INT8), (&body, Type::TEXT), (&is_open, Type::BOOL)];
        Ok(!self.query(sql, &values).await?.is_empty())
    }

    /// An export.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn get(&self, id: ExportId) -> Result<Option<String>, StoreError> {
        let rows = self.query("SELECT body::text FROM exports WHERE id = $1", &[(&id.0, Type::INT8)]).await?;
        Ok(bodies(&rows).pop())
    }

    /// A project's exports, newest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn list(&self, project: ProjectId) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT body::text FROM exports WHERE project_id = $1 ORDER BY id DESC";
        Ok(bodies(&self.query(sql, &[(&project.0, Type::INT8)]).await?))
    }

    /// The ids of all exports.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn ids(&self) -> Result<Vec<ExportId>, StoreError> {
        let rows = self.query("SELECT id FROM exports", &[]).await?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok().map(ExportId)).collect())
    }

    /// The objects of exported files, in an object store.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn objects(&self) -> Result<Vec<String>, StoreError> {
        Ok(bodies(&self.query("SELECT body->>'object' FROM exports WHERE body ? 'object'", &[]).await?))
    }

    /// Deletes an export. Returns what it was.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn delete(&self, id: ExportId) -> Result<Option<String>, StoreError> {
        let sql = "DELETE FROM exports WHERE id = $1 RETURNING body::text";
        Ok(bodies(&self.query(sql, &[(&id.0, Type::INT8)]).await?).pop())
    }

    /// Deletes the oldest exports that have ended, so that at most `kept` are left with those that have not. Returns what they were.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn delete_old(&self, kept: u32) -> Result<Vec<String>, StoreError> {
        Ok(bodies(&self.query(OLD, &[(&i64::from(kept), Type::INT8)]).await?))
    }

    /// Fails the exports of servers that are gone, for this reason.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn fail_lost(&self, why: &str) -> Result<(), StoreError> {
        let over = i64::try_from(2 * self.0.lease().as_millis()).unwrap_or(i64::MAX);
        self.query(FAIL_LOST, &[(&why, Type::TEXT), (&over, Type::INT8)]).await.map(drop)
    }

    async fn query(&self, sql: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>, StoreError> {
        let Some(leases) = &self.0.inner.leases else { return Ok(Vec::new()) };
        leases.shared.query_with(sql, values, ANSWER).await
    }
}

/// The texts in the rows' first column.
fn bodies(rows: &[Row]) -> Vec<String> {
    rows.iter().filter_map(|row| row.try_get(0).ok()).collect()
}
