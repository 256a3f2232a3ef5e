//! Checks the headers `Host`, against DNS rebinding, and `Origin`, against pages of other sites. A request without an `Origin`
//! comes from a program and is allowed.

mod authority;
#[cfg(test)]
mod tests;

use super::log_limit::LogLimit;
use crate::problem::ApiError;
use anyhow::{Result, bail};
use authority::{Authority, Origin};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, Version, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use protocol::Problem;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// Maximum number of refused requests that are logged per minute. A scanner sends thousands.
const LOGGED: u32 = 5;
const LOGGED_IN: Duration = Duration::from_secs(60);
/// Maximum length of a client's header value in a response or log line, characters.
const SHOWN_CHARS: usize = 80;

/// The accepted hosts and origins.
#[derive(Debug)]
pub struct Origins {
    /// Names of `--host`.
    names: Vec<Authority>,
    /// Origins of `--allow-origin`.
    allowed: Vec<Origin>,
    /// The listening address, and its other names.
    own: Vec<Authority>,
    port: u16,
    log: LogLimit,
}

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// RFC 9112, section 3.2: no `Host`, several, or one that cannot be parsed.
    Malformed(&'static str),
    /// The host is a name that is not accepted.
    Host(String),
    /// The origin is not accepted.
    Origin(String),
}

impl Origins {
    /// Accepts the origins of `--allow-origin` (scheme and host, no path) and the names of `--host`.
    ///
    /// # Errors
    /// An origin or a name cannot be parsed.
    pub fn new(allowed: &[String], names: &[String]) -> Result<Self> {
        let name = |name: &String| match Authority::parse(name) {
            Some(name) => Ok(name),
            None if !name.is_ascii() => {
                bail!("--host {name}: must be in ASCII, as the browser sends it: xn--...")
            }
            None => {
                bail!("--host {name}: must be a name, with a port where it is not the usual one: studio.example:8443")
            }
        };
        let origin = |origin: &String| match Origin::parse(origin) {
            Some(origin) => Ok(origin),
            None => bail!(
                "--allow-origin {origin}: must be http:// or https:// with a host and no path: http://127.0.0.1:8080"
            ),
        };
        Ok(Self {
            names: names.iter().map(name).collect::<Result<_>>()?,
            allowed: allowed.iter().map(origin).collect::<Result<_>>()?,
            own: Vec::new(),
            port: 0,
            log: LogLimit::new(LOGGED, LOGGED_IN),
        })
    }

    /// Also accepts the address that the server listens on.
    pub fn with_own(mut self, address: SocketAddr) -> Self {
        self.port = address.port();
        self.own = vec![Authority::of(address.ip(), self.port), Authority::localhost(self.port)];
        if address.ip().is_loopback() {
            let loopback = [std::net::Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()];
            self.own.extend(loopback.map(|ip| Authority::of(ip, self.port)));
        }
        self
    }

    fn refusal(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Option<Refusal> {
        let host = match host(version, uri, headers) {
            Ok(host) => host,
            Err(refusal) => return Some(refusal),
        };
        if let Some((text, host)) = &host
            && !host.needs_no_name()
            && !self.is_named(host)
        {
            return Some(Refusal::Host(short(text)));
        }
        let is_foreign = |origin: &str| match Origin::parse(origin) {
            Some(origin) => !self.may_use(&origin, host.as_ref().map(|(_, host)| host)),
            None => true,
        };
        let mut origins = headers.get_all(header::ORIGIN).iter().map(|value| value.to_str().unwrap_or_default());
        origins.find(|origin| is_foreign(origin)).map(|origin| Refusal::Origin(short(origin)))
    }

    fn is_named(&self, host: &Authority) -> bool {
        self.names.iter().any(|name| name.names(host, self.port))
    }

    fn may_use(&self, origin: &Origin, host: Option<&Authority>) -> bool {
        host.is_some_and(|host| origin.is_at(host))
            || self.allowed.contains(origin)
            || self.is_named(&origin.authority())
            // Behind a proxy that sets `Host` to the address that it connects to.
            || self.own.iter().any(|own| *origin == Origin::of(own, false))
    }
}

/// The host of a request, as text and parsed. `None` for HTTP/1.0 without one. If the request line has an absolute address and
/// there is a `Host` header too, both must be accepted, so the one of them that needs a check is returned.
fn host(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Option<(String, Authority)>, Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let header = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::Malformed("a request has one Host header"));
    }
    let parse = |text: &str| match Authority::parse(text) {
        Some(host) => Ok((text.to_owned(), host)),
        None => Err(Refusal::Malformed("the Host header is not a host with a port")),
    };
    let header = header.map(|host| parse(host.to_str().unwrap_or_default())).transpose()?;
    let line = uri.authority().map(|authority| parse(authority.as_str())).transpose()?;
    match (line, header) {
        (None, None) if version > Version::HTTP_10 => Err(Refusal::Malformed("a request has a Host header")),
        (Some(line), Some(header)) if line.1.needs_no_name() => Ok(Some(header)),
        (Some(line), Some(header)) if header.1.needs_no_name() || header.1 == line.1 => Ok(Some(line)),
        (Some(_), Some(_)) => Err(Refusal::Malformed("the Host header and the address of the request differ")),
        (line, header) => Ok(line.or(header)),
    }
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Host(_) | Self::Origin(_) => StatusCode::FORBIDDEN,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Malformed(why) => (*why).to_owned(),
            Self::Host(host) => format!(
                "the host {host:?} is not a name of this server. If it is reached by that name, start it with \
                 --host {host}"
            ),
            Self::Origin(origin) => format!(
                "pages of the origin {origin:?} may not use this server. Behind a proxy, start it with --host NAME \
                 for the name in the browser's address; for another front end with --allow-origin ORIGIN"
            ),
        }
    }
}

/// Answers 403 to a foreign Host or Origin, 400 to a request whose Host is not one.
pub async fn check(State(origins): State<Arc<Origins>>, request: Request, next: Next) -> Response {
    let Some(refusal) = origins.refusal(request.version(), request.uri(), request.headers()) else {
        return next.run(request).await;
    };
    if let Some(left_out) = origins.log.pass() {
        match &refusal {
            Refusal::Malformed(why) => tracing::warn!(why, left_out, "refused a request"),
            Refusal::Host(host) => tracing::warn!(?host, left_out, "refused a Host; --host allows a name"),
            Refusal::Origin(origin) => tracing::warn!(?origin, left_out, "refused an Origin"),
        }
    }
    ApiError::with_status(refusal.status(), Problem::Conflict(refusal.words())).into_response()
}
