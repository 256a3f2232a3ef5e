//! TLS to PostgreSQL: which servers each `sslmode` accepts.

use crate::database::{create, names};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::path::Path;
use std::time::{Duration, Instant};
use store::{Store, StoreError};
use tempfile::TempDir;
use test_postgres::Cluster;

/// A server whose certificate is for `localhost` and not for `127.0.0.1`, with an empty database, and the certificates of
/// authorities.
struct Place {
    cluster: Cluster,
    authorities: TempDir,
}

impl Place {
    /// None if PostgreSQL is not installed.
    async fn new() -> Option<Self> {
        let start = || {
            let authorities = tempfile::tempdir().expect("a folder");
            let issuer = authority(&authorities.path().join("known.pem"));
            authority(&authorities.path().join("other.pem"));
            let key = KeyPair::generate().expect("a key");
            let server = CertificateParams::new(["localhost".to_owned()]).expect("a name");
            let server = server.signed_by(&key, &issuer).expect("a certificate");
            let cluster = test_postgres::cluster_with_tls(&server.pem(), &key.serialize_pem())?;
            cluster.create("encrypted");
            Some(Self { cluster, authorities })
        };
        tokio::task::spawn_blocking(start).await.expect("PostgreSQL starts")
    }

    /// `sslmode` and `sslrootcert`.
    fn by(&self, mode: &str, root: &str) -> String {
        format!("?sslmode={mode}&sslrootcert={}", self.authorities.path().join(root).display())
    }

    /// Whether the connections of the store are encrypted, by the server's own list; the reason if there are none.
    async fn encrypted(&self, host: &str, options: &str) -> Result<bool, String> {
        let url = format!("postgres://ember@{host}:{}/encrypted{options}", self.cluster.port);
        let store = match Store::open(&url).await {
            Ok(store) => store,
            Err(error @ StoreError::Open { .. }) => return Err(error.to_string()),
            Err(error) => panic!("{error}"),
        };
        store.ping().await.expect("answers");
        let listed = "SELECT string_agg(DISTINCT ssl::text, ' ') FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                      WHERE application_name = 'emberline'";
        let listed = self.cluster.execute("encrypted", listed);
        store.close().await.expect("closed");
        assert!(listed == "true" || listed == "false", "{listed}");
        // The next store is not to find the connections of this one.
        self.wait_for("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'emberline'", "0").await;
        Ok(listed == "true")
    }

    /// Waits until a query returns this.
    async fn wait_for(&self, sql: &str, expected: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.cluster.execute("encrypted", sql) != expected {
            assert!(Instant::now() < deadline, "{sql}: not {expected} within 20 s");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Writes the certificate of an authority, and returns what it signs with.
fn authority(file: &Path) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    std::fs::write(file, params.self_signed(&key).expect("a certificate").pem()).expect("written");
    Issuer::new(params, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_accepts_the_servers_that_libpq_accepts() {
    let Some(place) = Place::new().await else { return };
    for options in ["", "?sslmode=disable"] {
        assert_eq!(place.encrypted("localhost", options).await, Ok(false), "{options}");
    }
    let accepted = [
        ("127.0.0.1", "?sslmode=prefer".to_owned()),
        ("127.0.0.1", "?sslmode=require".to_owned()),
        ("127.0.0.1", place.by("require", "known.pem")),
        ("127.0.0.1", place.by("verify-ca", "known.pem")),
        ("localhost", place.by("verify-full", "known.pem")),
    ];
    for (host, options) in accepted {
        assert_eq!(place.encrypted(host, &options).await, Ok(true), "{host} {options}");
    }
    let refused = [
        ("localhost", place.by("verify-full", "other.pem")),
        ("localhost", place.by("verify-ca", "other.pem")),
        ("localhost", place.by("require", "other.pem")),
        ("127.0.0.1", place.by("verify-full", "known.pem")),
        ("localhost", "?sslmode=verify-full".to_owned()),
    ];
    for (host, options) in refused {
        let why = place.encrypted(host, &options).await.expect_err(&options);
        assert!(why.contains("certificate"), "{host} {options}: {why}");
    }
}

/// A name of another machine with the address of this one: the test needs no second machine.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_another_machine_is_plain_only_if_the_address_says_so() {
    let Some(place) = Place::new().await else { return };
    let at = |options: &str| format!("?hostaddr=127.0.0.1{}", options.replace('?', "&"));
    let unknown = place.encrypted("db.example", &at("")).await.expect_err("its certificate is not known");
    assert!(unknown.contains("certificate"), "{unknown}");
    let known = place.by("verify-full", "known.pem");
    let why = place.encrypted("db.example", &at(&known)).await.expect_err("it is for another name");
    assert!(why.contains("certificate"), "{why}");
    assert_eq!(place.encrypted("localhost", &at(&place.by("verify-full", "known.pem"))).await, Ok(true));
    place.cluster.execute("postgres", "ALTER SYSTEM SET ssl = off");
    place.cluster.execute("postgres", "SELECT pg_reload_conf()");
    place.wait_for("SHOW ssl", "off").await;
    for options in ["", "?sslmode=prefer", "?sslmode=require"] {
        let why = place.encrypted("db.example", &at(options)).await.expect_err("it has no TLS");
        assert!(why.contains("TLS"), "{options}: {why}");
    }
    assert_eq!(place.encrypted("db.example", &at("?sslmode=disable")).await, Ok(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_refused_where_it_is_required() {
    let Some(cluster) = tokio::task::spawn_blocking(test_postgres::cluster).await.expect("PostgreSQL starts") else {
        return;
    };
    let url = cluster.create("unencrypted");
    let error = Store::open(&format!("{url}&sslmode=require")).await.expect_err("it has no TLS");
    assert!(error.to_string().contains("TLS"), "{error}");
    let store = Store::open(&format!("{url}&sslmode=prefer")).await.expect("it has no TLS, which is accepted");
    create(&store, "plain").await;
    assert_eq!(names(&store).await, ["plain"]);
}
