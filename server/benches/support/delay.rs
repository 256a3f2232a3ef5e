//! A socket in front of PostgreSQL's, behind which everything arrives later, as over a long network.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Keeps the socket's folder.
pub struct Delay {
    _folder: TempDir,
}

impl Delay {
    /// Delays what is sent to this database, and what it answers, by `each_way`. Returns also its address.
    pub fn of(url: &str, each_way: Duration) -> (Self, String) {
        let (before, after) = url.split_once("host=").expect("a folder");
        let (database, rest) = after.split_once('&').expect("a user");
        let socket = Path::new(database).join(".s.PGSQL.5432");
        let folder = tempfile::tempdir_in("/tmp").expect("a folder");
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).expect("a socket");
        let url = format!("{before}host={}&{rest}", folder.path().display());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(database) = UnixStream::connect(&socket) else { continue };
                pass_on(&client, &database, each_way);
                pass_on(&database, &client, each_way);
            }
        });
        (Self { _folder: folder }, url)
    }
}

/// Passes bytes on in one direction, each after the same time.
fn pass_on(from: &UnixStream, to: &UnixStream, later: Duration) {
    let (mut from, mut to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
    let (send, sent) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if send.send((Instant::now() + later, buffer[..count].to_vec())).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (at, bytes) in sent {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        to.shutdown(std::net::Shutdown::Both).ok();
    });
}
