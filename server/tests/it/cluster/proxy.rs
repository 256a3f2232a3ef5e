//! A place between a process and PostgreSQL at which the network can be cut.

use std::{
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// How often a connection looks whether it is cut.
const LOOK: Duration = Duration::from_millis(50);

/// How the network is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It is not.
    No,
    /// Connections are closed, and none are accepted.
    Closed,
    /// Nothing passes, and connections stay open. What was sent arrives when the cut is over.
    Silent,
    /// Nothing arrives at the database.
    ToDatabase,
    /// Nothing arrives at the process: the database still does what it asked for.
    FromDatabase,
}

impl Cut {
    pub const ALL: [Self; 4] = [Self::Closed, Self::Silent, Self::ToDatabase, Self::FromDatabase];

    fn of(number: u8) -> Self {
        [Self::No, Self::Closed, Self::Silent, Self::ToDatabase, Self::FromDatabase][usize::from(number)]
    }
}

/// A socket in front of PostgreSQL's.
pub struct Proxy {
    _folder: TempDir,
    state: Arc<AtomicU8>,
}

impl Proxy {
    /// Returns also the address of the same database through it.
    pub fn of(url: &str) -> (Self, String) {
        let (before, after) = url.split_once("host=").expect("a folder");
        let (database, rest) = after.split_once('&').expect("a user");
        let socket = PathBuf::from(database).join(".s.PGSQL.5432");
        let folder = tempfile::tempdir_in("/tmp").expect("a folder");
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).expect("a socket");
        let url = format!("{before}host={}&{rest}", folder.path().display());
        let state = Arc::<AtomicU8>::default();
        let proxy = Self { _folder: folder, state: Arc::clone(&state) };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if is(&state, &[Cut::Closed]) {
                    continue;
                }
                // The database is down: the connection is closed.
                let Ok(database) = UnixStream::connect(&socket) else { continue };
                pass_on(&client, &database, &state, &[Cut::Silent, Cut::ToDatabase]);
                pass_on(&database, &client, &state, &[Cut::Silent, Cut::FromDatabase]);
            }
        });
        (proxy, url)
    }

    pub fn cut(&self, cut: Cut) {
        self.state.store(cut as u8, Ordering::Relaxed);
    }
}

fn is(state: &AtomicU8, cuts: &[Cut]) -> bool {
    cuts.contains(&Cut::of(state.load(Ordering::Relaxed)))
}

/// Passes bytes on in one direction, except during these cuts.
fn pass_on(from: &UnixStream, to: &UnixStream, state: &Arc<AtomicU8>, silent: &'static [Cut]) {
    let (mut from, mut to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
    let state = Arc::clone(state);
    from.set_read_timeout(Some(LOOK)).expect("a timeout");
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while !is(&state, &[Cut::Closed]) {
            if is(&state, silent) {
                thread::sleep(LOOK);
                continue;
            }
            let read = from.read(&mut buffer);
            // It may have been cut while this waited.
            while is(&state, silent) {
                thread::sleep(LOOK);
            }
            match read {
                Ok(0) => break,
                Ok(bytes) if to.write_all(&buffer[..bytes]).is_err() => break,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        from.shutdown(std::net::Shutdown::Both).ok();
        to.shutdown(std::net::Shutdown::Both).ok();
    });
}
