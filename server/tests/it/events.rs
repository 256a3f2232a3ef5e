//! `/ws`: hello, project events, metrics, and misbehaving clients.

use crate::support::TestServer;
use serde_json::{Value, json};
use std::{
    net::TcpStream,
    time::{Duration, Instant},
};
use tungstenite::{Message, WebSocket, client::IntoClientRequest};

type Socket = WebSocket<TcpStream>;

fn connect_as(server: &TestServer, origin: Option<&str>) -> Result<Socket, Box<tungstenite::Error>> {
    let address = server.url.trim_start_matches("http://");
    let stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let mut request = format!("ws://{address}/ws").into_client_request().expect("a request");
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().expect("a header"));
    }
    match tungstenite::client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::HandshakeError::Failure(error)) => Err(Box::new(error)),
        Err(other) => panic!("{other}"),
    }
}

fn connect(server: &TestServer) -> Socket {
    connect_as(server, None).expect("a socket")
}

/// The next message of type `kind`.
fn next(socket: &mut Socket, kind: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Message::Text(text) = socket.read().expect("a message") {
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if message["type"] == kind {
                return message;
            }
        }
    }
    panic!("no {kind} in 10 s");
}

#[test]
fn hello_comes_first_then_each_change_with_its_number() {
    let server = TestServer::start();
    server.create("before");
    let mut socket = connect(&server);
    let Message::Text(first) = socket.read().expect("a message") else { panic!("text comes first") };
    let hello: Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(
        (&hello["type"], &hello["data"]["seq"], &hello["data"]["tasks"]),
        (&json!("hello"), &json!(1), &json!([]))
    );
    assert!(hello.get("seq").is_none() && hello["data"]["epoch"].is_string() && hello["data"]["version"].is_string());

    let made = server.create("after");
    let event = next(&mut socket, "project_updated");
    assert_eq!(event["seq"], 2);
    assert_eq!((&event["data"]["id"], &event["data"]["name"]), (&made["id"], &json!("after")));
    assert_eq!(event["data"]["deleted"], false);

    server.request("DELETE", &format!("/api/v1/projects/{}", made["id"]), &[], None);
    let event = next(&mut socket, "project_updated");
    assert_eq!((&event["seq"], &event["data"]["deleted"]), (&json!(3), &json!(true)));
}

#[test]
fn metrics_come_while_someone_listens() {
    let server = TestServer::start();
    let mut socket = connect(&server);
    let metrics = next(&mut socket, "metrics");
    assert!(metrics.get("seq").is_none());
    let data = &metrics["data"];
    let number = |name: &str| data[name].as_f64().unwrap_or_else(|| panic!("{name} is missing in {data}"));
    assert!((0.0..=100.0).contains(&number("cpu_percent")), "{data}");
    assert!(number("memory_used_bytes") > 0.0 && number("memory_used_bytes") <= number("memory_total_bytes"), "{data}");
    assert!(number("process_memory_bytes") > 1e6, "{data}");
    assert!(number("uptime_s") < 60.0, "{data}");
}

#[test]
fn a_foreign_origin_gets_no_socket() {
    let server = TestServer::start();
    let error = connect_as(&server, Some("http://evil.example")).expect_err("refused");
    assert!(error.to_string().contains("403"), "{error}");
    connect_as(&server, Some(&server.url.clone())).expect("the page's own origin");
}

#[test]
fn a_client_that_talks_is_closed_and_the_server_goes_on() {
    let server = TestServer::start();
    for rude in [Message::text("not json"), Message::binary(vec![0; 16]), Message::text("x".repeat(1_000_000))] {
        let mut socket = connect(&server);
        next(&mut socket, "hello");
        // The server may close the connection before a large message is sent completely.
        socket.send(rude).ok();
        let ended = std::iter::repeat_with(|| socket.read()).take(10).any(|read| !matches!(read, Ok(Message::Text(_))));
        assert!(ended, "the socket stays open");
    }
    let mut polite = connect(&server);
    next(&mut polite, "hello");
    server.create("still here");
    next(&mut polite, "project_updated");
}

#[test]
fn sockets_are_closed_when_the_server_stops() {
    let server = TestServer::start();
    let mut socket = connect(&server);
    next(&mut socket, "hello");
    let (status, log, _) = server.stop();
    assert!(status.success(), "{log}");
    let close = std::iter::repeat_with(|| socket.read()).take(10).find_map(|read| match read {
        Ok(Message::Close(frame)) => Some(frame.expect("a reason").code),
        _ => None,
    });
    assert_eq!(close, Some(tungstenite::protocol::frame::coding::CloseCode::Away));
}
