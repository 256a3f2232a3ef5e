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
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// The hosts that are this server, and the origins whose pages may use it.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    names: Vec<String>,
    hosts: Vec<String>,
    origins: Vec<String>,
    /// Whether any address may stand in the Host header.
    any_address: bool,
}

impl Origins {
    /// With the origins of `--allow-origin` (scheme and host, no path) and the names of `--host`.
    ///
    /// # Errors
    /// An origin or a name that is none.
    pub fn new(allowed: &[String], names: &[String]) -> Result<Self> {
        for name in names {
            if name.is_empty() || name.contains(['/', '@', ' ', '*']) {
                bail!("--host {name}: must be a name, with a port where it is not the usual one: studio.example:8443");
            }
        }
        for origin in allowed {
            let Some((scheme, host)) = origin.split_once("://") else {
                bail!("--allow-origin {origin}: must be like http://127.0.0.1:8080");
            };
            if !matches!(scheme, "http" | "https") || host.is_empty() || host.contains('/') {
                bail!("--allow-origin {origin}: must be http:// or https:// with a host and no path");
            }
        }
        let lower = |texts: &[String]| texts.iter().map(|text| text.to_ascii_lowercase()).collect();
        Ok(Self { names: lower(names), hosts: Vec::new(), origins: lower(allowed), any_address: false })
    }

    /// With the server's own names on the address that it listens on.
    pub fn with_own(mut self, address: SocketAddr) -> Self {
        let port = address.port();
        self.hosts = vec![address.to_string(), format!("localhost:{port}")];
        if address.ip().is_loopback() {
            self.hosts.extend([format!("127.0.0.1:{port}"), format!("[::1]:{port}")]);
        }
        // The usual port is not told.
        if port == 80 {
            let bare: Vec<_> =
                self.hosts.iter().filter_map(|host| host.strip_suffix(":80")).map(str::to_owned).collect();
            self.hosts.extend(bare);
        }
        self.origins.extend(self.hosts.iter().map(|host| format!("http://{host}")));
        // A proxy in front is reached by its own scheme and port; without one the port is this server's.
        for name in &self.names {
            let with_port = (!name.contains(':')).then(|| format!("{name}:{port}"));
            for host in std::iter::once(name.clone()).chain(with_port) {
                self.origins.extend([format!("http://{host}"), format!("https://{host}")]);
                self.hosts.push(host);
            }
        }
        self.any_address = !address.ip().is_loopback();
        self
    }

    fn refusal(&self, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .or_else(|| uri.authority().map(|authority| authority.as_str()))
            .unwrap_or_default()
            .to_ascii_lowercase();
        // DNS rebinding needs a name: a browser that sends an address has that very address before it.
        let by_address = self.any_address && is_address(&host);
        if !by_address && !self.hosts.contains(&host) {
            return Some(format!("the host {host:?} is not this server's"));
        }
        let origin = headers.get(header::ORIGIN)?;
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        let own = by_address && origin.strip_prefix("http://").is_some_and(|of| of == host);
        (!own && !self.origins.contains(&origin))
            .then(|| format!("pages of the origin {origin:?} may not use this server"))
    }
}

/// Whether a Host is an IP address, with or without a port.
fn is_address(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<SocketAddr>().is_ok() || bare.parse::<IpAddr>().is_ok()
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
        refused_at("127.0.0.1:3000", host, origin)
    }

    fn refused_at(listen: &str, host: &str, origin: Option<&str>) -> bool {
        let allowed = ["http://127.0.0.1:8080".to_owned()];
        let names = ["studio.example".to_owned(), "other.example:8443".to_owned()];
        let address = listen.parse().expect("an address");
        let origins = Origins::new(&allowed, &names).expect("well-formed").with_own(address);
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
    fn the_usual_port_need_not_be_told() {
        for (host, origin) in [("localhost", "http://localhost"), ("127.0.0.1", "http://127.0.0.1")] {
            assert!(!refused_at("127.0.0.1:80", host, Some(origin)), "{host}");
            assert!(refused(host, None), "{host} at another port");
        }
        assert!(!refused_at("0.0.0.0:80", "localhost", Some("http://localhost")));
    }

    #[test]
    fn an_origin_has_a_scheme_and_no_path() {
        for bad in ["127.0.0.1:8080", "ftp://a", "http://", "http://a/b"] {
            Origins::new(&[bad.to_owned()], &[]).expect_err(bad);
        }
        for bad in ["", "http://a", "*.example"] {
            Origins::new(&[], &[bad.to_owned()]).expect_err(bad);
        }
    }

    #[test]
    fn names_that_were_told_are_its_own() {
        for host in ["studio.example", "studio.example:3000", "other.example:8443"] {
            assert!(!refused(host, None), "{host}");
            assert!(!refused(host, Some(&format!("https://{host}"))), "{host}");
        }
        assert!(refused("studio.example:8080", None) && refused("other.example", None));
        assert!(refused("evil.studio.example", None) && refused("studio.example.evil", None));
    }

    #[test]
    fn on_an_open_address_any_address_is_its_own_and_no_other_name() {
        let refused = |host: &str, origin: Option<&str>| refused_at("0.0.0.0:3000", host, origin);
        for host in ["192.168.1.5:3000", "192.168.1.5", "[fe80::1]:8080", "[::1]"] {
            assert!(!refused(host, None), "{host}");
            let own = format!("http://{host}");
            assert!(!refused(host, Some(own.as_str())), "{host}");
            assert!(refused(host, Some("http://192.168.1.66:3000")), "{host}: another machine's page");
        }
        assert!(refused("evil.example:3000", None) && refused("", None) && refused("192.168.1.5.evil.example", None));
        assert!(refused_at("127.0.0.1:3000", "192.168.1.5:3000", None), "loopback knows its own names only");
    }
}
