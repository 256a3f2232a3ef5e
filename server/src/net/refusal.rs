//! The response to a connection beyond the limits.

use std::{sync::LazyLock, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

/// Sent without reading the request.
static ANSWER: LazyLock<String> = LazyLock::new(|| {
    let body = r#"{"title":"Service Unavailable","status":503,"detail":"there are too many connections; try again in a moment"}"#;
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
});

/// Time limit for sending it, and how many are sent concurrently. Further connections are closed without a response.
const SEND_TIMEOUT: Duration = Duration::from_millis(500);
static SENDING: Semaphore = Semaphore::const_new(32);

/// Answers 503 and closes.
pub(super) fn refuse(mut stream: TcpStream) {
    let Ok(place) = SENDING.try_acquire() else { return };
    tokio::spawn(async move {
        let _place = place;
        // Closing with unread data resets the connection, and the client would lose the response. So the request is drained.
        let send = async {
            stream.write_all(ANSWER.as_bytes()).await?;
            stream.shutdown().await?;
            let mut scratch = [0; 1024];
            while stream.read(&mut scratch).await? > 0 {}
            std::io::Result::Ok(())
        };
        _ = timeout(SEND_TIMEOUT, send).await;
    });
}
