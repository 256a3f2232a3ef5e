//! What `emberline doctor` looks at in a PostgreSQL database that several servers use. Changes nothing.

use crate::{Store, StoreError};
use std::time::{Duration, SystemTime};
use tokio_postgres::SimpleQueryMessage;

/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The state of a database that several servers use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// PostgreSQL's version, for people.
    pub version: String,
    /// Its major version.
    pub major: u32,
    /// Whether this connection is encrypted.
    pub is_encrypted: bool,
    /// By how much this machine's clock is ahead of the database's, milliseconds, within the time that the answer took.
    pub clock_ahead_ms: i64,
    /// What a commit waits for: `synchronous_commit`.
    pub commits: String,
    /// `synchronous_standby_names`; empty if a commit waits for no standby.
    pub synchronous_standbys: String,
    /// Whether this is a standby, which cannot be written.
    pub is_standby: bool,
    /// Whether PostgreSQL frees the space of old rows.
    pub has_autovacuum: bool,
    /// Connections that are open, and the most that there can be.
    pub connections: (u32, u32),
    /// Transactions that have been open and idle for 5 s or longer: program, process, seconds.
    pub idle_transactions: Vec<String>,
    /// For how long the oldest change has been waiting for the row that all changes take their numbers from, seconds.
    pub log_wait_s: u32,
    /// Rights that the role of this address does not have: `INSERT on tasks`.
    pub missing_rights: Vec<String>,
    /// Servers and workers that did not end and do not answer: name, seconds.
    pub silent: Vec<String>,
}

const HEALTH: &str = "\
    SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000, \
        coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), FALSE)::int, \
        (extract(epoch FROM clock_timestamp()) * 1000)::bigint, \
        current_setting('synchronous_commit'), current_setting('synchronous_standby_names'), \
        pg_is_in_recovery()::int, (current_setting('autovacuum') = 'on')::int, \
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), \
        current_setting('max_connections'), \
        (SELECT string_agg(concat(application_name, ', process ', pid, ', ', \
                extract(epoch FROM clock_timestamp() - state_change)::int, ' s'), E'\n' ORDER BY state_change) \
            FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%' \
                AND application_name <> 'emberline (start)' AND clock_timestamp() - state_change > interval '5 s'), \
        (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)), 0)::int FROM pg_stat_activity \
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%event_head%'), \
        (SELECT string_agg(concat(p, ' on ', t), E'\n' ORDER BY t, p) FROM pg_tables, \
            LATERAL (SELECT tablename AS t) named, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p \
            WHERE schemaname = current_schema() AND t <> '__diesel_schema_migrations' \
                AND NOT has_table_privilege(quote_ident(t), p)), \
        (SELECT string_agg(concat(coalesce(about::json ->> 'name', left(id, 8)), ', ', \
                extract(epoch FROM clock_timestamp() - lease_until)::int, ' s'), E'\n' ORDER BY lease_until) \
            FROM servers WHERE lease_until < clock_timestamp())";

impl Store {
    /// The state of the database. None on SQLite.
    ///
    /// # Errors
    /// The database does not answer, or is not one of this version.
    pub async fn health(&self) -> Result<Option<Health>, StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(None) };
        // The first query opens the connection, which takes longer than the answer.
        leases.shared.query("SELECT 1", ANSWER).await?;
        let began = now_ms();
        let answer = leases.shared.query(HEALTH, ANSWER).await?;
        let here = began + (now_ms() - began) / 2;
        let row = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let text = |column: usize| row.and_then(|row| row.try_get(column).ok().flatten()).unwrap_or_default();
        let number = |column: usize| text(column).parse::<i64>().unwrap_or_default();
        let count = |column: usize| u32::try_from(number(column)).unwrap_or_default();
        let lines = |column: usize| text(column).lines().map(str::to_owned).collect();
        Ok(Some(Health {
            version: text(0).to_owned(),
            major: count(1),
            is_encrypted: count(2) == 1,
            clock_ahead_ms: here - number(3),
            commits: text(4).to_owned(),
            synchronous_standbys: text(5).to_owned(),
            is_standby: count(6) == 1,
            has_autovacuum: count(7) == 1,
            connections: (count(8), count(9)),
            idle_transactions: lines(10),
            log_wait_s: count(11),
            missing_rights: lines(12),
            silent: lines(13),
        }))
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or_default()
}
