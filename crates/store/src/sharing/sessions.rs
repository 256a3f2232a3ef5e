//! Who is signed in, and who may try a password, for all servers of a database. Times are the database's.

use crate::runs::Leases;
use crate::{Store, StoreError};
use std::time::Duration;
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(3);

/// Adds a session. Those that are over go, and the oldest of more than `$4`.
const CREATE: &str = "WITH old AS (DELETE FROM sessions WHERE ends_at <= clock_timestamp() OR digest IN \
         (SELECT digest FROM sessions ORDER BY ends_at DESC OFFSET $4 - 1)) \
     INSERT INTO sessions (digest, access, ends_at) \
     VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')";

const FIND: &str = "SELECT (extract(epoch FROM ends_at - clock_timestamp()) * 1000)::bigint FROM sessions \
     WHERE digest = $1 AND access = $2 AND ends_at > clock_timestamp()";

const ALL: &str = "SELECT digest FROM sessions WHERE access = $1 AND ends_at > clock_timestamp()";

/// Takes the next time at which an address may try, and the one after it is `$2` milliseconds later.
const TURN: &str = "INSERT INTO sign_in_attempts AS a (address, next_at) \
     VALUES ($1, clock_timestamp() + $2 * interval '1 millisecond') \
     ON CONFLICT (address) DO UPDATE \
         SET next_at = greatest(a.next_at, clock_timestamp()) + $2 * interval '1 millisecond' \
     RETURNING (extract(epoch FROM next_at - clock_timestamp()) * 1000)::bigint - $2";

/// What servers on one database know together of who is signed in.
#[derive(Clone, Debug)]
pub struct SharedSessions(Store);

impl Store {
    /// The sessions of all servers; none on SQLite, which one server uses.
    pub fn sessions(&self) -> Option<SharedSessions> {
        self.is_shared().then(|| SharedSessions(self.clone()))
    }
}

impl SharedSessions {
    /// Adds a session by the digest of its key, for `lasts`. `access` names the password. The oldest of more than `most` go.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn create(&self, digest: &str, access: &str, lasts: Duration, most: u32) -> Result<(), StoreError> {
        let (lasts, most) = (milliseconds(lasts), i64::from(most));
        let values: [(&(dyn ToSql + Sync), Type); 4] =
            [(&digest, Type::TEXT), (&access, Type::TEXT), (&lasts, Type::INT8), (&most, Type::INT8)];
        self.query(CREATE, &values).await.map(drop)
    }

    /// How long a session still lasts; none if there is no such session.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn find(&self, digest: &str, access: &str) -> Result<Option<Duration>, StoreError> {
        let rows = self.query(FIND, &[(&digest, Type::TEXT), (&access, Type::TEXT)]).await?;
        Ok(rows.first().map(duration))
    }

    /// The digests of all sessions that have not ended.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn all(&self, access: &str) -> Result<Vec<String>, StoreError> {
        let rows = self.query(ALL, &[(&access, Type::TEXT)]).await?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn end(&self, digest: &str) -> Result<(), StoreError> {
        self.query("DELETE FROM sessions WHERE digest = $1", &[(&digest, Type::TEXT)]).await.map(drop)
    }

    /// Takes an address's next turn to try a password or a token: one in `each` on all servers together. Returns how long to wait
    /// for it.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn take_turn(&self, address: &str, each: Duration) -> Result<Duration, StoreError> {
        let each = milliseconds(each);
        let rows = self.query(TURN, &[(&address, Type::TEXT), (&each, Type::INT8)]).await?;
        Ok(rows.first().map(duration).unwrap_or_default())
    }

    /// Lets an address try again at once: its password was right.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forgive(&self, address: &str) -> Result<(), StoreError> {
        self.query("DELETE FROM sign_in_attempts WHERE address = $1", &[(&address, Type::TEXT)]).await.map(drop)
    }

    /// Forgets the addresses that may try again since a minute or longer.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forget_turns(&self) -> Result<(), StoreError> {
        let old = "DELETE FROM sign_in_attempts WHERE next_at < clock_timestamp() - interval '1 minute'";
        self.query(old, &[]).await.map(drop)
    }

    async fn query(&self, sql: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>, StoreError> {
        let Some(Leases { shared, .. }) = &self.0.inner.leases else { return Ok(Vec::new()) };
        shared.query_with(sql, values, ANSWER).await
    }
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The milliseconds in a row's first column.
fn duration(row: &Row) -> Duration {
    Duration::from_millis(row.try_get::<_, i64>(0).ok().and_then(|ms| u64::try_from(ms).ok()).unwrap_or_default())
}
