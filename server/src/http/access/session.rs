//! Sessions. They are kept in memory, so a restart signs everyone out.

use super::credentials::digest;
use axum::http::{HeaderMap, header};
use protocol::cookie_path;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// The cookie's name.
const COOKIE: &str = "emberline_session";
/// How long a session lasts.
const LASTS: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Maximum number of sessions. At the limit, a new one evicts the one that expires first.
const MOST: usize = 1000;

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

/// All sessions by the digests of their keys. So a leaked memory dump has no usable key, and the time of a look-up reveals
/// nothing about a key.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

impl Sessions {
    /// Creates a session. Returns its key: 256 random bits as 64 hexadecimal digits.
    pub fn create(&self) -> String {
        self.create_at(Instant::now())
    }

    fn create_at(&self, now: Instant) -> String {
        let key: String = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.ends > now);
        if sessions.len() >= MOST
            && let Some(oldest) = sessions.iter().min_by_key(|(_, session)| session.ends).map(|(key, _)| *key)
            && let Some(session) = sessions.remove(&oldest)
        {
            session.ended.cancel();
        }
        sessions.insert(digest(&key), Session { ends: now + LASTS, ended: CancellationToken::new() });
        key
    }

    /// The session of a key, if it has not ended.
    pub fn find(&self, key: &str) -> Option<Session> {
        self.find_at(key, Instant::now())
    }

    fn find_at(&self, key: &str, now: Instant) -> Option<Session> {
        self.lock().get(&digest(key)).filter(|session| session.ends > now).cloned()
    }

    /// Ends a session and closes its WebSockets.
    pub fn end(&self, key: &str) {
        if let Some(session) = self.lock().remove(&digest(key)) {
            session.ended.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn a_session_is_found_until_it_ends() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let key = sessions.create_at(now);
        assert_eq!(key.len(), 64);
        assert!(sessions.find_at(&key, now + LASTS - Duration::from_secs(1)).is_some());
        assert!(sessions.find_at(&key, now + LASTS).is_none(), "too old");
        assert!(sessions.find_at("", now).is_none());
        let session = sessions.find_at(&key, now).expect("signed in");
        sessions.end(&key);
        assert!(session.ended.is_cancelled() && sessions.find_at(&key, now).is_none(), "signed out");
    }

    #[test]
    fn old_sessions_make_room() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.create_at(now);
        for number in 1..=MOST {
            sessions.create_at(now + Duration::from_millis(number as u64));
        }
        assert_eq!(sessions.lock().len(), MOST);
        assert!(sessions.find_at(&first, now).is_none());
        sessions.create_at(now + LASTS + LASTS);
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
