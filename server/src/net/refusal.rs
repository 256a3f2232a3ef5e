//! The answer to a connection that there is no room for.

use std::{sync::LazyLock, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

/// The answer to a refused client; its request is not read.
static ANSWER: LazyLock<String> = LazyLock::new(|| {
    let body = r#"{"title":"Service Unavailable","status":503,"detail":"there are too many connections; try again in a moment"}"#;
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
});

/// How long a refused client may take to hear it, and how many may at a time; the rest are closed without a word.
const HEARS_WITHIN: Duration = Duration::from_millis(500);
static HEARING: Semaphore = Semaphore::const_new(32);

/// Answers 503 and closes.
pub(super) fn refuse(mut stream: TcpStream) {
    let Ok(place) = HEARING.try_acquire() else { return };
    tokio::spawn(async move {
        let _place = place;
        // Closing before its request has come would reset the connection, and the answer with it.
        let hear = async {
            stream.write_all(ANSWER.as_bytes()).await?;
            stream.shutdown().await?;
            let mut scratch = [0; 1024];
            while stream.read(&mut scratch).await? > 0 {}
            std::io::Result::Ok(())
        };
        _ = timeout(HEARS_WITHIN, hear).await;
    });
}
