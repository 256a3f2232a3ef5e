//! HAProxy in front of the servers: each request and each socket goes to the next server, without stickiness.

use std::{
    fs,
    io::{self, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};
use tempfile::TempDir;

/// A load balancer.
pub struct Balancer {
    pub url: String,
    haproxy: Option<(Child, TempDir)>,
}

impl Drop for Balancer {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.haproxy {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// A port that is free now.
pub fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.expect("a free port").port()
}

/// HAProxy's program; none if it is not installed.
pub fn haproxy() -> Option<PathBuf> {
    let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default());
    std::env::split_paths(&path).map(|folder| folder.join("haproxy")).find(|program| program.exists())
}

impl Balancer {
    pub fn start(servers: &[u16]) -> Self {
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let Some(program) = haproxy() else {
            // Not eprintln!, whose output the test harness hides when a test passes.
            writeln!(
                io::stderr(),
                "\nHAProxy is not on this machine (Debian: apt install haproxy): connections go to the servers in turn by other means"
            )
            .ok();
            in_turn(port, servers.to_vec());
            return Self { url, haproxy: None };
        };
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("haproxy.cfg");
        fs::write(&file, configuration(port, servers)).expect("written");
        let mut haproxy = Command::new(program);
        let child = haproxy.arg("-db").arg("-f").arg(file).stdout(Stdio::null()).stderr(Stdio::null());
        let child = child.spawn().expect("HAProxy starts");
        Self { url, haproxy: Some((child, folder)) }
    }
}

fn configuration(port: u16, servers: &[u16]) -> String {
    let servers = servers.iter().map(|port| format!("    server s{port} 127.0.0.1:{port}\n")).collect::<String>();
    format!(
        "defaults\n    mode http\n    timeout connect 2s\n    timeout client 70s\n    timeout server 70s\n    \
         timeout tunnel 1h\n    option redispatch\n    retries 2\n    http-reuse never\n    option http-server-close\n\
         frontend all\n    bind 127.0.0.1:{port}\n    default_backend servers\n\
         backend servers\n    balance roundrobin\n    option httpchk GET /health/ready\n    \
         default-server check inter 300 fall 1 rise 1\n{servers}"
    )
}

/// Connects each client with the next server that accepts it.
fn in_turn(port: u16, servers: Vec<u16>) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    let next = AtomicUsize::new(0);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let first = next.fetch_add(1, Ordering::Relaxed);
            let in_order = (0..servers.len()).map(|n| servers[(first + n) % servers.len()]);
            let Some(server) = in_order.filter_map(|port| TcpStream::connect(("127.0.0.1", port)).ok()).next() else {
                continue;
            };
            pass_on(&client, &server);
            pass_on(&server, &client);
        }
    });
}

fn pass_on(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
    thread::spawn(move || {
        io::copy(&mut from, &mut to).ok();
        to.shutdown(Shutdown::Both).ok();
        from.shutdown(Shutdown::Both).ok();
    });
}
