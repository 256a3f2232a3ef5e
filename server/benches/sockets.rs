//! Cost of WebSocket clients. Prints the median time of a sampling step without clients and with 200, 20 of which do
//! not read. The two alternate within one run.
//!
//! `cargo bench --bench sockets` (with `-- ROUNDS STEPS` to change 9 rounds of 200 steps).

#[path = "support/server.rs"]
mod server;

use server::{Server, median, numbers};
use std::{
    io::ErrorKind,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};
use tungstenite::{Error, WebSocket, stream::MaybeTlsStream};

const CLIENTS: usize = 200;
const SILENT: usize = 20;

type Socket = WebSocket<MaybeTlsStream<TcpStream>>;

fn main() {
    let (rounds, steps) = numbers(9, 200);
    let server = Server::start(&[]);
    server.seconds(&server.generate("latent2rgb", 2));
    let (mut alone, mut watched, mut heard) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        alone.push(step_ms(&server, steps));
        let clients = Clients::connect(&server);
        watched.push(step_ms(&server, steps));
        heard += clients.leave();
    }
    let of_rounds: Vec<_> = watched.iter().zip(&alone).map(|(with, without)| with / without - 1.0).collect();
    let (low, high) =
        (of_rounds.iter().copied().fold(f64::MAX, f64::min), of_rounds.iter().copied().fold(f64::MIN, f64::max));
    println!("{rounds} rounds of {steps} steps at 128 x 128, medians");
    println!("nobody: {:.3} ms a step", median(alone));
    println!(
        "{CLIENTS} clients, {SILENT} of them silent: {:.3} ms a step, {:+.1} % ({:+.1} to {:+.1}); {} messages a reader and round",
        median(watched),
        100.0 * median(of_rounds),
        100.0 * low,
        100.0 * high,
        heard / u64::from(rounds) / (CLIENTS - SILENT) as u64,
    );
    println!("progress dropped for slow clients: {}", server.metric("emberline_dropped_progress_events_total"));
}

/// Time of a step in one generation, in milliseconds, from the server's metrics.
fn step_ms(server: &Server, steps: u32) -> f64 {
    let read = || ["sum", "count"].map(|what| server.metric(&format!("emberline_step_seconds_{what}")));
    let before = read();
    server.seconds(&server.generate("latent2rgb", steps));
    let [seconds, count] = read();
    1000.0 * (seconds - before[0]) / (count - before[1])
}

/// Open WebSockets. Each client that reads has its own thread.
struct Clients {
    silent: Vec<Socket>,
    readers: Vec<thread::JoinHandle<u64>>,
    leaving: Arc<AtomicBool>,
}

impl Clients {
    fn connect(server: &Server) -> Self {
        let (leaving, joined) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let silent = (0..SILENT).map(|_| open(server)).collect();
        let readers = (SILENT..CLIENTS).map(|_| {
            let (mut socket, leaving, joined) = (open(server), Arc::clone(&leaving), Arc::clone(&joined));
            thread::spawn(move || {
                let mut heard = 0;
                while !leaving.load(Ordering::Relaxed) {
                    match socket.read() {
                        Ok(_) => {
                            if heard == 0 {
                                joined.fetch_add(1, Ordering::Relaxed);
                            }
                            heard += 1;
                        }
                        Err(Error::Io(error))
                            if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                        Err(error) => panic!("a reader lost its socket: {error}"),
                    }
                }
                heard
            })
        });
        let readers = readers.collect();
        while joined.load(Ordering::Relaxed) < (CLIENTS - SILENT) as u64 {
            thread::sleep(Duration::from_millis(10));
        }
        Self { silent, readers, leaving }
    }

    /// Disconnects. Returns the number of messages that all readers received.
    fn leave(self) -> u64 {
        self.leaving.store(true, Ordering::Relaxed);
        drop(self.silent);
        self.readers.into_iter().map(|reader| reader.join().expect("no panic")).sum()
    }
}

fn open(server: &Server) -> Socket {
    let (socket, _) = tungstenite::connect(format!("{}/ws", server.url.replace("http:", "ws:"))).expect("connected");
    if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
        stream.set_read_timeout(Some(Duration::from_millis(200))).expect("set");
    }
    socket
}
