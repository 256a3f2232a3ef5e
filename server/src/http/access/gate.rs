//! Wrong passwords are slow: one is tried at a time, each wrong one holds the next up, and only so many wait.

use super::credentials::Credentials;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// How long a wrong password holds up the next attempt.
const PENALTY: Duration = Duration::from_secs(1);
/// Attempts that may wait; the rest are told to come back.
const WAITING: usize = 8;

/// Where passwords are tried.
#[derive(Debug)]
pub struct Gate {
    waiting: Arc<Semaphore>,
    trying: Arc<Semaphore>,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It was the password.
    Right,
    /// It was not.
    Wrong,
    /// It was not tried: too many wait.
    Crowded,
}

impl Default for Gate {
    fn default() -> Self {
        Self { waiting: Arc::new(Semaphore::new(WAITING)), trying: Arc::new(Semaphore::new(1)) }
    }
}

impl Gate {
    /// Tries a password. It runs in a task of its own: who hangs up does not get the next attempt sooner.
    pub async fn attempt(&self, credentials: &Arc<Credentials>, password: String) -> Attempt {
        let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else { return Attempt::Crowded };
        let (trying, credentials) = (Arc::clone(&self.trying), Arc::clone(credentials));
        let attempt = tokio::spawn(async move {
            let _place = place;
            let Ok(_turn) = trying.acquire_owned().await else { return Attempt::Crowded };
            match tokio::task::spawn_blocking(move || credentials.is_password(&password)).await {
                Ok(true) => Attempt::Right,
                Ok(false) | Err(_) => {
                    tokio::time::sleep(PENALTY).await;
                    Attempt::Wrong
                }
            }
        });
        attempt.await.unwrap_or(Attempt::Wrong)
    }
}
