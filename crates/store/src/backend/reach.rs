//! How PostgreSQL is reached: its address, with what the address leaves open, and TLS.

use super::tls::{Mode, connector};
use std::{net::IpAddr, time::Duration};
use tokio_postgres::{Client, Config, Connection, Error, Socket, config::Host, tls::MakeTlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long to wait for a host that does not answer, unless the address sets `connect_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A machine that is gone without a word, for example because its network was cut: noticed after this time without an answer
/// to a packet, and by a probe on a connection that has been idle for as long.
const SILENCE: Duration = Duration::from_secs(10);

/// A connection, encrypted or not.
type Encrypted = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// An address and its TLS.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) config: Config,
    /// Whether a pooler in between gives each transaction another connection to PostgreSQL: nothing lasts longer than a
    /// transaction, and there are no notifications.
    pub(crate) is_pooled: bool,
    tls: MakeRustlsConnect,
}

impl Reach {
    /// Reads `postgres://...`. `sslmode` and `sslrootcert` are those of libpq; see [`Mode`]. `pooler=transaction` says that a
    /// pooler such as PgBouncer is in between.
    ///
    /// # Errors
    /// An address that is not valid, or certificates that cannot be read. Does not contain the password.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let (url, pooler) = without(url, "pooler");
        let is_pooled = match pooler.as_deref() {
            None | Some("none") => false,
            Some("transaction") => true,
            Some(_) => return Err("pooler must be transaction or none".to_owned()),
        };
        let (address, mode, root) = split(&url);
        let config = address.parse::<Config>().map_err(|error| error.to_string())?;
        let mut config = completed(config);
        let is_here = is_within_machine(&config);
        let mode = match mode {
            Some(name) => Mode::parse(&name)?,
            None => Mode::default_for(is_here),
        };
        let tls = connector(&mut config, mode, is_here, root.as_deref())?;
        Ok(Self { config, is_pooled, tls })
    }

    /// The same, with a name by which PostgreSQL lists its connections.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.config.application_name(name);
        self
    }

    /// Opens a connection. The second half drives it.
    pub(crate) async fn connect(&self) -> Result<(Client, Connection<Socket, Encrypted>), Error> {
        self.config.connect(self.tls.clone()).await
    }
}

/// Whether all hosts of an address are this machine: nobody is between two programs on one machine.
fn is_within_machine(config: &Config) -> bool {
    let is_here = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    config.get_hosts().iter().all(is_here) && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// Takes a parameter of our own out of an address.
fn without(url: &str, name: &str) -> (String, Option<String>) {
    // A password may have a question mark.
    let host = url.find('@').unwrap_or_default();
    let Some(mark) = url[host..].find('?') else { return (url.to_owned(), None) };
    let (address, query) = (&url[..host + mark], &url[host + mark + 1..]);
    let (taken, rest): (Vec<&str>, Vec<&str>) = query.split('&').partition(|pair| pair.split('=').next() == Some(name));
    let value = taken.last().and_then(|pair| form_urlencoded::parse(pair.as_bytes()).next());
    let mark = if rest.is_empty() { "" } else { "?" };
    (format!("{address}{mark}{}", rest.join("&")), value.map(|(_, value)| value.into_owned()))
}

/// Takes `sslmode` and `sslrootcert` out of an address: the driver does not know all of their values.
fn split(url: &str) -> (String, Option<String>, Option<String>) {
    // A password may have a question mark.
    let host = url.find('@').unwrap_or_default();
    let Some(mark) = url[host..].find('?') else { return (url.to_owned(), None, None) };
    let (address, query) = (&url[..host + mark], &url[host + mark + 1..]);
    let (mut mode, mut root, mut rest) = (None, None, Vec::new());
    for pair in query.split('&') {
        let value = || form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned());
        match pair.split('=').next() {
            Some("sslmode") => mode = value(),
            Some("sslrootcert") => root = value(),
            _ => rest.push(pair),
        }
    }
    let mark = if rest.is_empty() { "" } else { "?" };
    (format!("{address}{mark}{}", rest.join("&")), mode, root)
}

/// The address with what it leaves open.
fn completed(mut config: Config) -> Config {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name("emberline");
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_idle(SILENCE).keepalives_interval(Duration::from_secs(2)).keepalives_retries(3);
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_postgres::config::SslMode;

    #[test]
    fn a_pooler_is_taken_out_of_the_address() {
        let is_pooled = |url: &str| Reach::parse(url).map(|reach| reach.is_pooled);
        assert_eq!(is_pooled("postgres://u:p?pooler=transaction@localhost/d"), Ok(false));
        assert_eq!(is_pooled("postgres://localhost/d?pooler=transaction&sslmode=disable"), Ok(true));
        assert_eq!(is_pooled("postgres://localhost/d?connect_timeout=3&pooler=none"), Ok(false));
        assert!(is_pooled("postgres://localhost/d?pooler=session").is_err());
    }

    #[test]
    fn tls_is_taken_out_of_the_address_and_the_rest_stays() {
        let text = |value: &str| Some(value.to_owned());
        assert_eq!(split("postgres://h/d"), ("postgres://h/d".to_owned(), None, None));
        let (address, mode, root) = split("postgres://h/d?sslmode=verify-ca&user=me&sslrootcert=%2Fa+b%2Fca.pem");
        assert_eq!((address.as_str(), mode, root), ("postgres://h/d?user=me", text("verify-ca"), text("/a b/ca.pem")));
        assert_eq!(split("postgres://u:a?b@h/d?sslmode=disable").0, "postgres://u:a?b@h/d");
    }

    #[test]
    fn only_connections_within_the_machine_are_plain_unless_the_address_says_so() {
        let mode =
            |url: &str| Reach::parse(url).map(|reach| reach.config.get_ssl_mode()).map_err(|why| why.to_string());
        for here in ["postgres://localhost/d", "postgres://127.0.0.1/d", "postgres:///d?host=/var/run/postgresql"] {
            assert_eq!(mode(here), Ok(SslMode::Disable), "{here}");
        }
        assert_eq!(mode("postgres://db.example/d?sslmode=disable"), Ok(SslMode::Disable));
        assert_eq!(mode("postgres://localhost/d?sslmode=prefer"), Ok(SslMode::Prefer));
        for elsewhere in [
            "postgres://db.example/d",
            "postgres://localhost,db.example/d",
            "postgres://localhost/d?hostaddr=192.0.2.1",
        ] {
            let mark = if elsewhere.contains('?') { '&' } else { '?' };
            assert_eq!(mode(&format!("{elsewhere}{mark}sslmode=prefer")), Ok(SslMode::Require), "{elsewhere}");
            let why = mode(&format!("{elsewhere}{mark}sslrootcert=/nowhere/ca.pem")).expect_err("verified by default");
            assert!(why.contains("sslrootcert /nowhere/ca.pem"), "{why}");
        }
        assert_eq!(mode("postgres://db.example/d?sslmode=require"), Ok(SslMode::Require));
        let why = mode("postgres://u:s3cret@h/d?sslmode=s3cret").expect_err("no mode");
        assert!(why.contains("verify-full") && !why.contains("s3cret"), "{why}");
    }
}
