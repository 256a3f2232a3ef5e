use super::*;

const LISTEN: &str = "127.0.0.1:3000";

fn origins(listen: &str) -> Origins {
    let allowed = ["http://127.0.0.1:8080".to_owned()];
    let names = ["studio.example".to_owned(), "other.example:8443".to_owned(), "tls.example:443".to_owned()];
    let address = listen.parse().expect("an address");
    Origins::new(&allowed, &names).expect("well-formed").with_own(address)
}

fn refusal_of(listen: &str, version: Version, uri: &str, headers: &[(header::HeaderName, &str)]) -> Option<Refusal> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, value.parse().expect("a header"));
    }
    origins(listen).refusal(version, &uri.parse().expect("an address"), &map)
}

fn refused_at(listen: &str, host: &str, origin: Option<&str>) -> bool {
    let origin = origin.map(|origin| (header::ORIGIN, origin));
    let headers: Vec<_> = std::iter::once((header::HOST, host)).chain(origin).collect();
    refusal_of(listen, Version::HTTP_11, "/ws", &headers).is_some()
}

fn refused(host: &str, origin: Option<&str>) -> bool {
    refused_at(LISTEN, host, origin)
}

#[test]
fn programs_and_own_pages_pass() {
    assert!(!refused("127.0.0.1:3000", None));
    assert!(!refused("LocalHost:3000", Some("http://localhost:3000")));
    assert!(!refused("127.0.0.1:3000", Some("http://127.0.0.1:8080")));
    assert!(!refused("127.0.0.1:3000", Some("http://localhost:3000")), "another name of the same server");
}

#[test]
fn foreign_hosts_and_origins_do_not() {
    assert!(refused("evil.example:3000", None));
    assert!(refused("127.0.0.1:3000", Some("http://evil.example")));
    assert!(refused("127.0.0.1:3000", Some("null")));
    assert!(refused("127.0.0.1:3000", Some("http://127.0.0.1:3001")), "another server's page");
    assert!(refused("localhost.evil.example", None) && refused("127.0.0.1.evil.example", None));
    assert!(refused("evillocalhost", None) && refused("", None));
}

#[test]
fn an_address_and_localhost_need_no_name_on_any_port_of_any_listening_address() {
    for listen in [LISTEN, "0.0.0.0:3000", "[::1]:3000", "192.168.1.5:80"] {
        for host in [
            "127.0.0.1:8080",
            "127.0.0.1",
            "192.168.1.5:3000",
            "8.8.8.8",
            "[::1]:8080",
            "[::1]",
            "[fe80::1%25eth0]:8080",
            "[::ffff:10.0.0.1]:1",
            "localhost",
            "LOCALHOST:8080",
            "localhost.:8080",
            "studio.localhost:8080",
        ] {
            assert!(!refused_at(listen, host, None), "{host} at {listen}");
            for scheme in ["http", "https"] {
                let own = format!("{scheme}://{}", host.replace("%25eth0", ""));
                assert!(!refused_at(listen, host, Some(own.as_str())), "{own} for {host} at {listen}");
            }
            assert!(refused_at(listen, host, Some("http://192.168.1.66:3000")), "{host}: another machine's page");
            assert!(refused_at(listen, host, Some("http://evil.example")), "{host}: another site's page");
        }
        assert!(refused_at(listen, "evil.example:3000", None) && refused_at(listen, "192.168.1.5.evil.example", None));
    }
}

#[test]
fn the_default_port_need_not_be_given() {
    for (host, origin) in [("localhost", "http://localhost"), ("127.0.0.1", "http://127.0.0.1")] {
        assert!(!refused_at("127.0.0.1:80", host, Some(origin)), "{host}");
    }
    assert!(!refused_at("0.0.0.0:80", "localhost", Some("http://localhost")));
    assert!(!refused("127.0.0.1", Some("https://127.0.0.1:443")) && refused("127.0.0.1:80", Some("https://127.0.0.1")));
}

#[test]
fn an_origin_has_a_scheme_and_no_path() {
    for bad in ["127.0.0.1:8080", "ftp://a", "http://", "http://a/b"] {
        Origins::new(&[bad.to_owned()], &[]).expect_err(bad);
    }
    for bad in ["", "http://a", "*.example", "bücher.example"] {
        Origins::new(&[], &[bad.to_owned()]).expect_err(bad);
    }
}

#[test]
fn configured_names_are_its_own() {
    for host in [
        "studio.example",
        "studio.example:3000",
        "studio.example:443",
        "Studio.Example.",
        "other.example:8443",
        "tls.example",
        "tls.example:443",
    ] {
        assert!(!refused(host, None), "{host}");
        assert!(!refused(host, Some(&format!("https://{host}"))), "{host}");
    }
    assert!(refused("studio.example:8080", None) && refused("other.example", None));
    assert!(refused("evil.studio.example", None) && refused("studio.example.evil", None));
    assert!(!refused(LISTEN, Some("https://studio.example")), "a proxy that does not pass the Host on");
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
}

#[test]
fn a_request_has_one_host_and_all_that_name_it_agree() {
    let at = |version, uri: &str, hosts: &[&str]| {
        let headers: Vec<_> = hosts.iter().map(|host| (header::HOST, *host)).collect();
        refusal_of(LISTEN, version, uri, &headers).map(|refusal| refusal.status().as_u16())
    };
    assert_eq!(at(Version::HTTP_11, "/", &[]), Some(400));
    assert_eq!(at(Version::HTTP_10, "/", &[]), None, "a health check of a load balancer; no browser sends this");
    assert_eq!(at(Version::HTTP_11, "/", &["127.0.0.1", "127.0.0.1"]), Some(400));
    assert_eq!(at(Version::HTTP_11, "/", &["127.0.0.1", "evil.example"]), Some(400));
    for no_host in ["", "a b", "user@127.0.0.1", "127.0.0.1:x", "127.0.0.1/x"] {
        assert_eq!(at(Version::HTTP_11, "/", &[no_host]), Some(400), "{no_host:?}");
    }
    assert_eq!(at(Version::HTTP_11, "http://127.0.0.1:3000/", &["127.0.0.1:3000"]), None);
    assert_eq!(at(Version::HTTP_11, "http://127.0.0.1:3000/", &["evil.example"]), Some(403));
    assert_eq!(at(Version::HTTP_11, "http://evil.example/", &["127.0.0.1:3000"]), Some(403));
    assert_eq!(at(Version::HTTP_11, "http://studio.example/", &["evil.example"]), Some(400));
    assert_eq!(at(Version::HTTP_2, "http://evil.example/", &[]), Some(403));
    assert_eq!(at(Version::HTTP_2, "http://127.0.0.1/", &[]), None);
}

#[test]
fn every_origin_counts_and_no_forwarded_host_does() {
    let forwarded = header::HeaderName::from_static("x-forwarded-host");
    let two = [(header::HOST, "evil.example"), (forwarded, "127.0.0.1:3000")];
    assert!(matches!(refusal_of(LISTEN, Version::HTTP_11, "/", &two), Some(Refusal::Host(_))));
    let two =
        [(header::HOST, LISTEN), (header::ORIGIN, "http://127.0.0.1:3000"), (header::ORIGIN, "http://evil.example")];
    assert_eq!(
        refusal_of(LISTEN, Version::HTTP_11, "/", &two),
        Some(Refusal::Origin("http://evil.example".to_owned()))
    );
}

#[test]
fn a_refusal_says_what_to_do_in_few_words() {
    let Some(refusal) = refusal_of(LISTEN, Version::HTTP_11, "/", &[(header::HOST, "studio.lan:8080")]) else {
        panic!("a name that nobody told");
    };
    assert!(refusal.words().contains("--host studio.lan:8080"), "{}", refusal.words());
    let long = format!("http://{}", "x".repeat(8000));
    let headers = [(header::HOST, LISTEN), (header::ORIGIN, long.as_str())];
    let words = refusal_of(LISTEN, Version::HTTP_11, "/", &headers).expect("refused").words();
    assert!(words.len() < 400 && !words.contains('\n'), "{words}");
}
