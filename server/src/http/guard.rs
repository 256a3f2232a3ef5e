//! Who may talk to this server: a Host that is its own (against DNS rebinding), and an Origin that is its
//! own or was allowed (against other sites' pages). A request without an Origin is a program's, and may.

use super::problem::ApiError;
use anyhow::{Result, bail};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use protocol::Problem;
use std::{net::SocketAddr, sync::Arc};

/// The hosts that are this server, and the origins whose pages may use it.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Origins {
    /// With the origins of `--allow-origin`: scheme and host, no path.
    pub fn new(allowed: &[String]) -> Result<Self> {
        for origin in allowed {
            let Some((scheme, host)) = origin.split_once("://") else {
                bail!("--allow-origin {origin}: must be like http://127.0.0.1:8080");
            };
            if !matches!(scheme, "http" | "https") || host.is_empty() || host.contains('/') {
                bail!("--allow-origin {origin}: must be http:// or https:// with a host and no path");
            }
        }
        Ok(Self { hosts: Vec::new(), origins: allowed.iter().map(|origin| origin.to_ascii_lowercase()).collect() })
    }

    /// With the server's own names on the address that it listens on.
    pub fn with_own(mut self, address: SocketAddr) -> Self {
        let port = address.port();
        self.hosts = vec![address.to_string(), format!("localhost:{port}")];
        if address.ip().is_loopback() {
            self.hosts.extend([format!("127.0.0.1:{port}"), format!("[::1]:{port}")]);
        }
        self.origins.extend(self.hosts.iter().map(|host| format!("http://{host}")));
        self
    }

    fn refusal(&self, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .or_else(|| uri.authority().map(|authority| authority.as_str()))
            .unwrap_or_default()
            .to_ascii_lowercase();
        if !self.hosts.contains(&host) {
            return Some(format!("the host {host:?} is not this server's"));
        }
        let origin = headers.get(header::ORIGIN)?;
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        (!self.origins.contains(&origin)).then(|| format!("pages of the origin {origin:?} may not use this server"))
    }
}

/// Answers 403 to a foreign Host or Origin.
pub async fn check(State(origins): State<Arc<Origins>>, request: Request, next: Next) -> Response {
    match origins.refusal(request.uri(), request.headers()) {
        None => next.run(request).await,
        Some(why) => {
            tracing::warn!(path = request.uri().path(), why, "refused");
            ApiError::with_status(StatusCode::FORBIDDEN, Problem::Conflict(why)).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(host: &str, origin: Option<&str>) -> bool {
        let allowed = ["http://127.0.0.1:8080".to_owned()];
        let address = "127.0.0.1:3000".parse().expect("an address");
        let origins = Origins::new(&allowed).expect("well-formed").with_own(address);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a header"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("a header"));
        }
        origins.refusal(&Uri::from_static("/ws"), &headers).is_some()
    }

    #[test]
    fn programs_and_own_pages_pass() {
        assert!(!refused("127.0.0.1:3000", None));
        assert!(!refused("LocalHost:3000", Some("http://localhost:3000")));
        assert!(!refused("127.0.0.1:3000", Some("http://127.0.0.1:8080")));
    }

    #[test]
    fn foreign_hosts_and_origins_do_not() {
        assert!(refused("evil.example:3000", None));
        assert!(refused("127.0.0.1:3001", None));
        assert!(refused("127.0.0.1:3000", Some("http://evil.example")));
        assert!(refused("127.0.0.1:3000", Some("null")));
        assert!(refused("127.0.0.1:3000", Some("https://127.0.0.1:3000")));
    }

    #[test]
    fn an_origin_has_a_scheme_and_no_path() {
        for bad in ["127.0.0.1:8080", "ftp://a", "http://", "http://a/b"] {
            Origins::new(&[bad.to_owned()]).expect_err(bad);
        }
    }
}
