//! The exchange on one WebSocket, with its time limits.

use crate::events::Reader;
use axum::{
    body::Bytes,
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
};
use std::{
    pin::pin,
    time::{Duration, Instant},
};
use tokio::time::{MissedTickBehavior, interval_at, timeout};

/// Maximum number of frames from a client within [`Timing::window`]. Clients answer pings and may send their own; each of those
/// needs an answer, which is kept in memory if the client does not read.
const MOST_FRAMES: u32 = 100;

/// Time limits for a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Interval of pings.
    pub ping: Duration,
    /// Maximum time without a frame from the client. On a slow line, the answer to a ping waits behind earlier data.
    pub silence: Duration,
    /// Maximum time to send one frame. It is reached only when the socket's buffers are full.
    pub send: Duration,
    /// Maximum time to send the close frame.
    pub farewell: Duration,
    /// Window of [`MOST_FRAMES`].
    pub window: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(20),
            silence: Duration::from_secs(90),
            send: Duration::from_secs(60),
            farewell: Duration::from_secs(1),
            window: Duration::from_secs(10),
        }
    }
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Farewell {
    /// Close code, RFC 6455, section 7.4.
    pub code: u16,
    /// The reason in words.
    pub reason: &'static str,
}

const TOO_FAR_BEHIND: Farewell = Farewell { code: close_code::AGAIN, reason: "too far behind; connect again" };
const TOO_MANY_FRAMES: Farewell = Farewell { code: close_code::POLICY, reason: "too many frames" };
const NOTHING_EXPECTED: Farewell =
    Farewell { code: close_code::POLICY, reason: "this socket only sends; nothing is expected from a client" };

/// Sends the greeting, then the reader's events, until `end` completes, the client disconnects, or a time limit passes.
pub(super) async fn converse(
    socket: &mut WebSocket,
    greeting: Vec<Utf8Bytes>,
    reader: &Reader,
    timing: Timing,
    end: impl Future<Output = Farewell>,
) {
    let mut end = pin!(end);
    let farewell = tokio::select! {
        farewell = &mut end => Some(farewell),
        farewell = talk(socket, greeting, reader, timing) => farewell,
    };
    if let Some(Farewell { code, reason }) = farewell {
        let close = Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }));
        // An error means that the client is gone already.
        timeout(timing.farewell, socket.send(close)).await.ok();
    }
}

/// Returns why the connection ends, or `None` if the client cannot be told.
async fn talk(socket: &mut WebSocket, greeting: Vec<Utf8Bytes>, reader: &Reader, timing: Timing) -> Option<Farewell> {
    for text in greeting {
        send(socket, Message::Text(text), timing).await?;
    }
    let mut ping = interval_at(tokio::time::Instant::now() + timing.ping, timing.ping);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let (mut window, mut frames) = (heard, 0);
    loop {
        tokio::select! {
            entry = reader.next() => match entry {
                Ok(entry) => send(socket, Message::Text(entry.text.clone()), timing).await?,
                Err(_) => return Some(TOO_FAR_BEHIND),
            },
            _ = ping.tick() => {
                if heard.elapsed() > timing.silence {
                    return None;
                }
                send(socket, Message::Ping(Bytes::new()), timing).await?;
            }
            incoming = socket.recv() => {
                heard = Instant::now();
                if heard.duration_since(window) > timing.window {
                    (window, frames) = (heard, 0);
                }
                frames += 1;
                match incoming {
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) if frames > MOST_FRAMES => return Some(TOO_MANY_FRAMES),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Text(_) | Message::Binary(_))) => return Some(NOTHING_EXPECTED),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                }
            }
        }
    }
}

async fn send(socket: &mut WebSocket, message: Message, timing: Timing) -> Option<()> {
    timeout(timing.send, socket.send(message)).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::*;
    use axum::{Router, extract::WebSocketUpgrade, routing::get};
    use protocol::{Event, Resync};
    use std::{
        io::Read,
        net::{SocketAddr, TcpStream},
        sync::Arc,
    };
    use tokio::sync::mpsc;
    use tungstenite::{Message as Heard, WebSocket as Client, client::IntoClientRequest};

    const QUICK: Timing = Timing {
        ping: Duration::from_millis(50),
        silence: Duration::from_millis(400),
        send: Duration::from_millis(400),
        farewell: Duration::from_millis(100),
        window: Duration::from_secs(10),
    };

    struct Running {
        address: SocketAddr,
        hub: Arc<Hub>,
        ended: mpsc::UnboundedReceiver<Duration>,
        runtime: tokio::runtime::Runtime,
    }

    /// A server whose sockets report how long they lived.
    fn running(timing: Timing) -> Running {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let hub = Arc::new(Hub::new());
        let (report, ended) = mpsc::unbounded_channel();
        let handler = {
            let hub = Arc::clone(&hub);
            move |upgrade: WebSocketUpgrade| async move {
                upgrade.on_upgrade(move |mut socket| async move {
                    let (began, subscription) = (Instant::now(), hub.subscribe(&Position::default()));
                    converse(&mut socket, vec![], &subscription.reader, timing, std::future::pending()).await;
                    report.send(began.elapsed()).ok();
                })
            }
        };
        let address = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let router = Router::new().route("/ws", get(handler));
            tokio::spawn(crate::net::serve(listener, router, Default::default(), Default::default()));
            address
        });
        Running { address, hub, ended, runtime }
    }

    impl Running {
        fn connect(&self) -> Client<TcpStream> {
            let stream = TcpStream::connect(self.address).expect("connects");
            stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
            let request = format!("ws://{}/ws", self.address).into_client_request().expect("a request");
            tungstenite::client(request, stream).expect("a socket").0
        }

        /// How long the first socket that ends has lived.
        fn ended_after(&mut self) -> Duration {
            let within = Duration::from_secs(10);
            let ended = self.runtime.block_on(async { timeout(within, self.ended.recv()).await });
            ended.expect("a socket ends within 10 s").expect("it reports")
        }

        fn publish(&self, bytes: usize) {
            self.hub.publish(Event::Resync(Resync { seq: 0, reason: "x".repeat(bytes) }));
        }
    }

    #[test]
    fn a_client_that_answers_pings_stays_and_one_that_vanished_does_not() {
        let mut running = running(QUICK);
        let (mut lives, _silent) = (running.connect(), running.connect());
        let until = Instant::now() + 3 * QUICK.silence;
        let mut pings = 0;
        while Instant::now() < until {
            match lives.read().expect("the socket is open") {
                Heard::Ping(_) => pings += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(pings > 5, "{pings} pings");
        let lived = running.ended_after();
        assert!((QUICK.silence..3 * QUICK.silence).contains(&lived), "the silent one lived for {lived:?}");
        running.publish(1);
        assert!(std::iter::repeat_with(|| lives.read().expect("open")).take(50).any(|heard| heard.is_text()));
    }

    #[test]
    fn a_client_that_does_not_read_is_let_go() {
        let mut running = running(Timing { silence: Duration::from_secs(60), ..QUICK });
        let _silent = running.connect();
        std::thread::sleep(Duration::from_millis(100));
        (0..24).for_each(|_| running.publish(1 << 20));
        let lived = running.ended_after();
        assert!(lived < Duration::from_secs(5), "{lived:?}");
    }

    #[test]
    fn a_client_that_trickles_is_let_go() {
        let mut running = running(QUICK);
        let mut slow = running.connect();
        std::thread::sleep(Duration::from_millis(100));
        (0..24).for_each(|_| running.publish(1 << 20));
        let reading = std::thread::spawn(move || {
            // A few bytes now and then: what is sent never gets through.
            while slow.get_mut().read(&mut [0; 16]).is_ok_and(|bytes| bytes > 0) {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let lived = running.ended_after();
        assert!(lived < Duration::from_secs(5), "{lived:?}");
        drop(reading);
    }

    #[test]
    fn a_client_that_pings_without_end_is_closed_with_the_reason() {
        let running = running(QUICK);
        let mut client = running.connect();
        for _ in 0..=MOST_FRAMES {
            client.send(Heard::Ping("x".into())).expect("sent");
        }
        let close = std::iter::repeat_with(|| client.read()).take(500).find_map(|heard| match heard {
            Ok(Heard::Close(frame)) => frame,
            _ => None,
        });
        assert_eq!(close.expect("a farewell").reason.as_str(), TOO_MANY_FRAMES.reason);
    }
}
