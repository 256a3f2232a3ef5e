//! Sessions. One server keeps them in memory, so a restart signs everyone out. Servers that share a database have them there, and in
//! memory those that their clients use.

use super::credentials::{digest, hex};
use axum::http::{HeaderMap, header};
use protocol::cookie_path;
use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use store::{SharedSessions, StoreError};
use tokio_util::sync::CancellationToken;

/// The cookie's name.
const COOKIE: &str = "emberline_session";
/// How long a session lasts.
const LASTS: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Maximum number of sessions. At the limit, a new one evicts the one that expires first.
const MOST: usize = 1000;
/// Characters of a key.
const KEY_CHARS: usize = 64;

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    ends: Instant,
    ended: CancellationToken,
}

impl Session {
    /// Waits until the session ends, by signing out or by expiry.
    pub async fn over(&self) {
        tokio::select! {
            () = self.ended.cancelled() => {}
            () = tokio::time::sleep_until(self.ends.into()) => {}
        }
    }
}

/// The sessions of all servers on a database.
#[derive(Debug)]
pub struct Shared {
    pub all: SharedSessions,
    /// Names the password and the token: sessions with others are worth nothing.
    pub access: String,
}

/// Sessions by the digests of their keys. So a leaked memory dump has no usable key, and the time of a look-up reveals
/// nothing about a key.
#[derive(Debug, Default)]
pub struct Sessions {
    known: Mutex<HashMap<[u8; 32], Session>>,
    shared: Option<Shared>,
}

impl Sessions {
    /// None yet, or those that other servers have.
    pub fn new(shared: Option<Shared>) -> Self {
        Self { shared, ..Self::default() }
    }

    /// Creates a session. Returns its key: 256 random bits as 64 hexadecimal digits.
    ///
    /// # Errors
    /// The database of several servers does not answer.
    pub async fn create(&self) -> Result<String, StoreError> {
        let key = hex(&rand::random::<[u8; 32]>());
        if let Some(Shared { all, access }) = &self.shared {
            all.create(&hex(&digest(&key)), access, LASTS, u32::try_from(MOST).unwrap_or(u32::MAX)).await?;
        }
        self.add(&key, Instant::now(), LASTS);
        Ok(key)
    }

    /// Adds a session to those in memory, unless it is there.
    fn add(&self, key: &str, now: Instant, lasts: Duration) -> Session {
        let mut known = self.lock();
        known.retain(|_, session| session.ends > now);
        if known.len() >= MOST
            && let Some(oldest) = known.iter().min_by_key(|(_, session)| session.ends).map(|(key, _)| *key)
            && let Some(session) = known.remove(&oldest)
        {
            session.ended.cancel();
        }
        let new = || Session { ends: now + lasts, ended: CancellationToken::new() };
        known.entry(digest(key)).or_insert_with(new).clone()
    }

    /// The session of a key, if it has not ended.
    ///
    /// # Errors
    /// The database of several servers does not answer, and this one does not know the session.
    pub async fn find(&self, key: &str) -> Result<Option<Session>, StoreError> {
        let known = self.find_at(key, Instant::now());
        let may_be = known.is_none() && key.len() == KEY_CHARS;
        let Some(Shared { all, access }) = self.shared.as_ref().filter(|_| may_be) else { return Ok(known) };
        // Another server has created it.
        let left = all.find(&hex(&digest(key)), access).await?;
        Ok(left.map(|left| self.add(key, Instant::now(), left)))
    }

    fn find_at(&self, key: &str, now: Instant) -> Option<Session> {
        self.lock().get(&digest(key)).filter(|session| session.ends > now).cloned()
    }

    /// Ends a session and closes its WebSockets; those on other servers follow.
    ///
    /// # Errors
    /// The database of several servers does not answer.
    pub async fn end(&self, key: &str) -> Result<(), StoreError> {
        if let Some(Shared { all, .. }) = &self.shared {
            all.end(&hex(&digest(key))).await?;
        }
        self.end_here(&digest(key));
        Ok(())
    }

    fn end_here(&self, digest: &[u8; 32]) {
        if let Some(session) = self.lock().remove(digest) {
            session.ended.cancel();
        }
    }

    /// Ends those that were ended on another server.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn follow_others(&self) -> Result<(), StoreError> {
        // One that is created after this is not in the answer.
        let before: Vec<[u8; 32]> = self.lock().keys().copied().collect();
        let Some(Shared { all, access }) = self.shared.as_ref().filter(|_| !before.is_empty()) else { return Ok(()) };
        let there: HashSet<String> = all.all(access).await?.into_iter().collect();
        before.iter().filter(|digest| !there.contains(&hex(&digest[..]))).for_each(|digest| self.end_here(digest));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session key in a request's cookies.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs.flat_map(|text| text.split(';')).find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// The `Set-Cookie` header that stores a key, with `Secure` if the page was loaded over HTTPS.
pub fn set_cookie(key: &str, secure: bool) -> String {
    let age = LASTS.as_secs();
    let secure = if secure { "; Secure" } else { "" };
    let path = cookie_path();
    format!("{COOKIE}={key}; Path={path}; Max-Age={age}; HttpOnly; SameSite=Strict{secure}")
}

/// The `Set-Cookie` header that removes it.
pub fn forget_cookie() -> String {
    format!("{COOKIE}=; Path={}; Max-Age=0; HttpOnly; SameSite=Strict", cookie_path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created_at(sessions: &Sessions, now: Instant) -> String {
        let key = hex(&rand::random::<[u8; 32]>());
        sessions.add(&key, now, LASTS);
        key
    }

    #[test]
    fn a_session_is_found_until_it_ends() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let key = created_at(&sessions, now);
        assert_eq!(key.len(), KEY_CHARS);
        assert!(sessions.find_at(&key, now + LASTS - Duration::from_secs(1)).is_some());
        assert!(sessions.find_at(&key, now + LASTS).is_none(), "too old");
        assert!(sessions.find_at("", now).is_none());
        let session = sessions.find_at(&key, now).expect("signed in");
        sessions.end_here(&digest(&key));
        assert!(session.ended.is_cancelled() && sessions.find_at(&key, now).is_none(), "signed out");
    }

    #[test]
    fn old_sessions_make_room() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let first = created_at(&sessions, now);
        for number in 1..=MOST {
            created_at(&sessions, now + Duration::from_millis(number as u64));
        }
        assert_eq!(sessions.lock().len(), MOST);
        assert!(sessions.find_at(&first, now).is_none());
        created_at(&sessions, now + LASTS + LASTS);
        assert_eq!(sessions.lock().len(), 1, "what is over goes");
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "theme=dark; emberline_session=abc; x=y".parse().expect("a header"));
        assert_eq!(cookie(&headers), Some("abc"));
        headers.insert(header::COOKIE, "emberline_session_2=abc".parse().expect("a header"));
        assert_eq!(cookie(&headers), None);
    }
}
