//! Host and port, as in the headers `Host` and `Origin`.

use std::net::{IpAddr, Ipv6Addr};

/// `host[:port]`: an address, or a name in lower case without its trailing dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    Name(String),
}

impl Authority {
    /// Parses `name`, `name:port`, `1.2.3.4:port`, `[::1]:port`, `[fe80::1%eth0]`, `::1`. An IPv4-mapped IPv6 address becomes
    /// IPv4, a zone id is dropped, and an empty port means no port. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Some(Self { host: Host::Address(canonical(address)), port: None });
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (inside, port) = rest.split_once(']')?;
                let address = inside.split_once('%').map_or(inside, |(address, _zone)| address);
                (Host::Address(canonical(address.parse().ok()?)), port)
            }
            None => {
                let (host, port) = text.find(':').map_or((text, ""), |at| text.split_at(at));
                (Host::parse(host)?, port)
            }
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            None => return None,
            Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            Some(_) => return None,
        };
        Some(Self { host, port })
    }

    /// The authority of a socket's address.
    pub fn of(address: IpAddr, port: u16) -> Self {
        Self { host: Host::Address(address.to_canonical()), port: Some(port) }
    }

    /// `localhost` with a port.
    pub fn localhost(port: u16) -> Self {
        Self { host: Host::Name("localhost".to_owned()), port: Some(port) }
    }

    /// Whether the host is safe from DNS rebinding, which needs a name: an address, or `localhost` and names under it, which
    /// nobody can register (RFC 6761).
    pub fn needs_no_name(&self) -> bool {
        match &self.host {
            Host::Address(_) => true,
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }

    /// Whether the header `Host: other` matches this name of `--host`. A name without a port matches ports 80 and 443 and the
    /// listening port; a name with port 80 or 443 also matches without a port.
    pub fn names(&self, other: &Self, listening: u16) -> bool {
        let usual = |port| port == 80 || port == 443;
        let same_port = match (self.port, other.port) {
            (None, None) => true,
            (None, Some(port)) => usual(port) || port == listening,
            (Some(port), None) => usual(port),
            (Some(own), Some(port)) => own == port,
        };
        self.host == other.host && same_port
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical()));
        }
        let is_name = !text.is_empty()
            && text.len() <= 253
            && text.split('.').all(|label| !label.is_empty())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        is_name.then(|| Self::Name(text.to_ascii_lowercase()))
    }
}

fn canonical(address: Ipv6Addr) -> IpAddr {
    address.to_canonical()
}

/// An `Origin`: scheme (`http` or `https`), host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    is_tls: bool,
    host: Host,
    port: u16,
}

impl Origin {
    /// Parses `http://host[:port]` or `https://host[:port]`, without a path.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = Authority::parse(authority)?;
        Some(Self::of(&authority, is_tls))
    }

    /// The origin of a page at `authority`.
    pub fn of(authority: &Authority, is_tls: bool) -> Self {
        let port = authority.port.unwrap_or(if is_tls { 443 } else { 80 });
        Self { is_tls, host: authority.host.clone(), port }
    }

    /// Whether a page of this origin was loaded from `host`. Either scheme matches: behind a proxy that terminates TLS the page is
    /// `https`, which the server does not see.
    pub fn is_at(&self, host: &Authority) -> bool {
        *self == Self::of(host, self.is_tls)
    }

    /// Its host and port.
    pub fn authority(&self) -> Authority {
        Authority { host: self.host.clone(), port: Some(self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_parsed_in_every_spelling() {
        let parse = |text: &str| Authority::parse(text).unwrap_or_else(|| panic!("{text} is a host"));
        for (one, same) in [
            ("127.0.0.1", "127.0.0.1."),
            ("127.0.0.1:80", "[::ffff:127.0.0.1]:80"),
            ("[::1]", "::1"),
            ("[FE80::1%25eth0]:1", "[fe80:0::1%eth0]:1"),
            ("Studio.Example.", "studio.example"),
            ("a:", "a"),
        ] {
            assert_eq!(parse(one), parse(same), "{one} and {same}");
        }
        assert_ne!(parse("a:80"), parse("a"));
        for bad in [
            "",
            ".",
            "a..b",
            ":80",
            "a:b",
            "a:+80",
            "a:65536",
            "a b",
            "a/b",
            "user@a",
            "[::1",
            "[::1]80",
            "[1.2.3.4]",
            "*.a",
            "ä",
        ] {
            assert_eq!(Authority::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Authority::parse(&"a".repeat(254)), None);
    }

    #[test]
    fn an_origin_has_the_usual_port_of_its_scheme() {
        let at = |origin: &str, host: &str| {
            let host = Authority::parse(host).expect("a host");
            Origin::parse(origin).is_some_and(|origin| origin.is_at(&host))
        };
        assert!(at("http://a", "a") && at("http://a", "a:80") && at("https://a", "a:443") && at("HTTPS://A:443", "a"));
        assert!(at("https://[::1]:8443", "[0:0::1]:8443"));
        assert!(!at("https://a", "a:80") && !at("http://a:8080", "a") && !at("http://b", "a"));
        for bad in ["null", "", "a", "file://", "ftp://a", "http://", "http://a/", "http://a/b", "http://a, http://b"] {
            assert_eq!(Origin::parse(bad), None, "{bad:?}");
        }
    }
}
