//! The client's address: the connection's peer, or the address that a trusted proxy reports.

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName},
    middleware::Next,
    response::Response,
};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// An address or a block of addresses: `10.0.0.5`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?}: must be an address, or a block such as 10.0.0.0/8");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = width(address);
        let bits = bits.unwrap_or(most);
        if bits > most {
            return Err(format!("{text:?}: an address of this kind has {most} bits"));
        }
        Ok(Self { address: masked(address, bits), bits })
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        width(address) == width(self.address) && masked(address, self.bits) == self.address
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with all but its first `bits` set to zero.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

/// The proxies of `--trust-proxy`, whose header `X-Forwarded-For` is trusted.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Trusts these networks. None is trusted by default, not even loopback, because any program on the machine could report any
    /// address.
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The last address in the header that is not a trusted proxy's. Each proxy appends the address of its own peer, so
    /// everything before the first untrusted address was written by the client itself. The search ends at an entry that is not an
    /// address, with the proxy that added it.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
        for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            if !self.trusts(client) {
                break;
            }
            match address(entry.trim()) {
                Some(address) => client = address,
                None => break,
            }
        }
        client
    }
}

/// Parses an entry of `X-Forwarded-For`. Some proxies append the port.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok().or_else(|| entry.parse().ok().map(|socket: SocketAddr| socket.ip()))?;
    Some(address.to_canonical())
}

/// The address of a request's client, if known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client(Option<IpAddr>);

impl Client {
    /// The address as limits count it: an IPv4 address, or the /64 of an IPv6 address, because one machine can use every address
    /// in it.
    pub fn network(self) -> IpAddr {
        match self.0 {
            Some(address @ IpAddr::V4(_)) => address,
            Some(address @ IpAddr::V6(_)) => masked(address, 64),
            None => Ipv4Addr::UNSPECIFIED.into(),
        }
    }
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        Self(Some(address))
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

/// Middleware that adds the [`Client`] to the request's extensions.
pub async fn identify(State(proxies): State<Arc<TrustedProxies>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let client = Client(peer.map(|peer| proxies.client(peer, request.headers())));
    request.extensions_mut().insert(client);
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let networks = trusted.iter().map(|network| network.parse().expect("a network")).collect();
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, line.parse().expect("a header"));
        }
        TrustedProxies::new(networks).client(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn nobody_is_believed_by_default() {
        assert_eq!(client(&[], "127.0.0.1", &["203.0.113.7"]), "127.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], "127.0.0.1", &["203.0.113.7"]), "127.0.0.1");
        assert_eq!(client(&["127.0.0.1"], "127.0.0.2", &["203.0.113.7"]), "127.0.0.2");
    }

    #[test]
    fn the_last_address_that_is_no_proxys_counts() {
        let trusted = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"];
        let at = |forwarded: &[&str]| client(&trusted, "127.0.0.1", forwarded);
        assert_eq!(at(&["203.0.113.7"]), "203.0.113.7");
        assert_eq!(at(&["198.51.100.1, 203.0.113.7"]), "203.0.113.7", "the client wrote the first one itself");
        assert_eq!(at(&["198.51.100.1, 203.0.113.7, 10.1.2.3"]), "203.0.113.7");
        assert_eq!(at(&["198.51.100.1", "203.0.113.7,10.1.2.3", "fd00::1"]), "203.0.113.7", "in several lines");
        assert_eq!(at(&["10.1.2.3"]), "10.1.2.3", "all are proxies");
        assert_eq!(at(&[]), "127.0.0.1");
        for bad in ["unknown", "", "203.0.113.7; drop", "203.0.113.7, _hidden"] {
            assert_eq!(at(&[bad]), "127.0.0.1", "{bad:?}");
        }
    }

    #[test]
    fn addresses_come_in_every_spelling() {
        for (written, same) in [
            ("203.0.113.7:4711", "203.0.113.7"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
        ] {
            assert_eq!(client(&["::1"], "::1", &[written]), same, "{written}");
        }
        assert_eq!(client(&["127.0.0.1"], "::ffff:127.0.0.1", &["203.0.113.7"]), "203.0.113.7");
    }

    #[test]
    fn a_network_is_an_address_or_a_block() {
        let has = |network: &str, address: &str| {
            network.parse::<Network>().expect("a network").contains(address.parse().expect("an address"))
        };
        assert!(has("10.0.0.7/8", "10.255.0.1") && !has("10.0.0.0/8", "11.0.0.0"));
        assert!(has("0.0.0.0/0", "8.8.8.8") && !has("0.0.0.0/0", "::1"));
        assert!(has("2001:db8::/33", "2001:db8:7fff::1") && !has("2001:db8::/33", "2001:db8:8000::1"));
        assert!(has("::1", "::1") && !has("::1", "::2"));
        for bad in ["", "a", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0/8", "10.0.0.0/8/8"] {
            bad.parse::<Network>().expect_err(bad);
        }
    }

    #[test]
    fn one_machine_has_one_network() {
        let network = |address: &str| Client(Some(address.parse().expect("an address"))).network().to_string();
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
