//! A connection that PostgreSQL sends notifications on.

use crate::backend::{Reach, postgres::rows};
use std::{future::poll_fn, time::Duration};
use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::{AsyncMessage, Client, Notification, SimpleQueryMessage};

/// How long the database may take to answer before the connection is given up: the network may have been cut.
const ANSWER: Duration = Duration::from_secs(10);

/// Why the changes of others cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TailError {
    #[error(transparent)]
    Database(#[from] tokio_postgres::Error),
    #[error("the database has not answered for {} s", ANSWER.as_secs())]
    Silent(#[from] tokio::time::error::Elapsed),
    #[error("the table event_head has no row")]
    NoHead,
}

/// A place in the log: the rows up to a number, and the epoch to which the number belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) epoch: String,
    pub(super) seq: u64,
}

/// A connection, and the task that passes its notifications on.
pub(super) struct Listener {
    client: Client,
    /// Drives the connection; ends with it.
    driver: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Listener {
    /// Connects. `heard` is called with each notification, and with none when the connection is lost: the next query then says
    /// why.
    pub(super) async fn connect(
        reach: &Reach,
        heard: impl Fn(Option<&Notification>) + Send + 'static,
    ) -> Result<Self, TailError> {
        let (client, mut connection) = timeout(ANSWER, reach.connect()).await??;
        let driver = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notification(notification) = message {
                    heard(Some(&notification));
                }
            }
            heard(None);
        });
        Ok(Self { client, driver })
    }

    pub(super) fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) async fn query(&self, sql: &str) -> Result<Vec<SimpleQueryMessage>, TailError> {
        Ok(timeout(ANSWER, self.client.simple_query(sql)).await??)
    }

    /// The place after the newest row. The timeline is part of the epoch: a standby that took over may lack the newest rows,
    /// and then gives their numbers to others.
    pub(super) async fn head(&self) -> Result<Place, TailError> {
        self.place("seq").await
    }

    /// The place before the oldest row that is still there.
    pub(super) async fn start(&self) -> Result<Place, TailError> {
        self.place("coalesce((SELECT min(seq) - 1 FROM events), seq)").await
    }

    async fn place(&self, seq: &str) -> Result<Place, TailError> {
        let epoch = "epoch || '-' || left(pg_walfile_name(pg_current_wal_lsn()), 8)";
        let answer = self.query(&format!("SELECT {seq}, {epoch} FROM event_head")).await?;
        let place =
            rows(&answer).find_map(|row| Some(Place { seq: row.get(0)?.parse().ok()?, epoch: row.get(1)?.to_owned() }));
        place.ok_or(TailError::NoHead)
    }
}
