//! TLS to PostgreSQL: which servers each `sslmode` accepts.

use crate::database::{create, names};
use store::{Store, StoreError};
use test_postgres::Cluster;

const CERTIFICATE: &str = include_str!("../fixtures/tls/server.pem");
const KEY: &str = include_str!("../fixtures/tls/server.key");
const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/authority.pem");
const OTHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/other_authority.pem");

/// A server whose certificate is for `localhost` and not for `127.0.0.1`, with an empty database.
async fn cluster() -> Option<Cluster> {
    let start = || {
        let cluster = test_postgres::cluster_with_tls(CERTIFICATE, KEY)?;
        cluster.create("encrypted");
        Some(cluster)
    };
    tokio::task::spawn_blocking(start).await.expect("PostgreSQL starts")
}

/// Whether the connections of the store are encrypted, by the server's own list; the reason if there are none.
async fn encrypted(cluster: &Cluster, host: &str, options: &str) -> Result<bool, String> {
    let url = format!("postgres://ember@{host}:{}/encrypted{options}", cluster.port);
    let store = match Store::open(&url).await {
        Ok(store) => store,
        Err(error @ StoreError::Open { .. }) => return Err(error.to_string()),
        Err(error) => panic!("{error}"),
    };
    store.ping().await.expect("answers");
    let listed = "SELECT string_agg(DISTINCT ssl::text, ' ') FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                  WHERE application_name = 'emberline'";
    let listed = cluster.execute("encrypted", listed);
    store.close().await.expect("closed");
    assert!(listed == "true" || listed == "false", "{listed}");
    // The next store is not to find the connections of this one.
    while cluster.execute("encrypted", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'emberline'")
        != "0"
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Ok(listed == "true")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_accepts_the_servers_that_libpq_accepts() {
    let Some(cluster) = cluster().await else { return };
    let plain = ["", "?sslmode=disable"];
    for options in plain {
        assert_eq!(encrypted(&cluster, "localhost", options).await, Ok(false), "{options}");
    }
    let by = |mode: &str, root: &str| format!("?sslmode={mode}&sslrootcert={root}");
    let accepted = [
        ("127.0.0.1", "?sslmode=prefer".to_owned()),
        ("127.0.0.1", "?sslmode=require".to_owned()),
        ("127.0.0.1", by("require", AUTHORITY)),
        ("127.0.0.1", by("verify-ca", AUTHORITY)),
        ("localhost", by("verify-full", AUTHORITY)),
    ];
    for (host, options) in accepted {
        assert_eq!(encrypted(&cluster, host, &options).await, Ok(true), "{host} {options}");
    }
    let refused = [
        ("localhost", by("verify-full", OTHER)),
        ("localhost", by("verify-ca", OTHER)),
        ("localhost", by("require", OTHER)),
        ("127.0.0.1", by("verify-full", AUTHORITY)),
        ("localhost", "?sslmode=verify-full".to_owned()),
    ];
    for (host, options) in refused {
        let why = encrypted(&cluster, host, &options).await.expect_err(&options);
        assert!(why.contains("certificate"), "{host} {options}: {why}");
    }
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
