//! Signing in to several servers on one PostgreSQL: once for all of them, and with one limit of attempts.

use crate::several_servers::Place;
use crate::support::{Answer, TestServer};
use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};
use tungstenite::client::IntoClientRequest;

const PASSWORD: [&str; 2] = ["--password", "correct horse"];

fn sign_in(server: &TestServer, password: &str) -> Answer {
    let form = format!("password={}&to=%2F", password.replace(' ', "+"));
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    server.request("POST", "/sign-in", &headers, Some(form.as_bytes()))
}

/// The `Cookie` header after signing in.
fn session(server: &TestServer) -> String {
    let answer = sign_in(server, PASSWORD[1]);
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
}

fn status(server: &TestServer, cookie: &str) -> u16 {
    server.request("GET", "/api/v1/projects", &[("cookie", cookie)], None).status
}

#[test]
fn a_session_counts_on_all_servers_until_it_is_ended_on_one() {
    let Some(place) = Place::new() else { return };
    let options = [&PASSWORD[..], &["--concurrency", "0"]].concat();
    let (one, two) = (place.server(&options), place.server(&options));
    let (cookie, other) = (session(&one), session(&one));
    assert_eq!(
        (status(&two, &cookie), status(&two, &other), status(&two, &cookie.replace('=', "=0"))),
        (200, 200, 401)
    );
    let address = two.url.trim_start_matches("http://").to_owned();
    let stream = TcpStream::connect(&address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let mut request = format!("ws://{address}/ws").into_client_request().expect("a request");
    request.headers_mut().insert("cookie", cookie.parse().expect("a header"));
    let (mut socket, _) = tungstenite::client(request, stream).expect("a socket");
    // A server that is started again knows the session, and one with another password does not.
    let one = TestServer::start_in(one.stop().2, &[&options[..], &shared(&place)].concat());
    assert_eq!(status(&one, &cookie), 200);
    let changed = place.server(&["--password", "another horse", "--concurrency", "0"]);
    assert_eq!(status(&changed, &cookie), 401);
    let (out, ended) = (one.request("POST", "/sign-out", &[("cookie", &cookie)], Some(b"")), Instant::now());
    assert_eq!((out.status, status(&one, &cookie)), (303, 401));
    let farewell = std::iter::repeat_with(|| socket.read()).find_map(|read| match read.expect("it is closed") {
        tungstenite::Message::Close(frame) => frame,
        _ => None,
    });
    assert_eq!(farewell.expect("a reason").reason.as_str(), "signed out");
    assert!(ended.elapsed() < Duration::from_secs(4), "{:?}", ended.elapsed());
    assert_eq!((status(&two, &cookie), status(&two, &other)), (401, 200), "only this one");
}

/// The options of [`Place::server`], for a server on an existing data folder.
fn shared(place: &Place) -> Vec<&str> {
    let pictures = place.pictures.path().to_str().expect("a path");
    vec!["--device", "cpu", "--lease", "3", "--database-url", &place.url, "--media-url", pictures]
}

#[test]
fn an_address_has_one_attempt_a_second_on_all_servers_together() {
    const EACH: u32 = 4;
    let Some(place) = Place::new() else { return };
    let options = [&PASSWORD[..], &["--concurrency", "0"]].concat();
    let servers = [place.server(&options), place.server(&options)];
    let began = Instant::now();
    thread::scope(|scope| {
        for server in &servers {
            (0..EACH).for_each(|_| {
                scope.spawn(|| assert_eq!(sign_in(server, "a wrong horse").status, 401));
            });
        }
    });
    // On its own each server lets the last attempt begin after three seconds.
    assert!(began.elapsed() >= Duration::from_secs(u64::from(2 * EACH - 1)), "{:?}", began.elapsed());
    assert_eq!(sign_in(&servers[0], PASSWORD[1]).status, 303);
}
