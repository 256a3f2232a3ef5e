//! An S3 server on loopback for tests: the crate s3s-fs over a temporary folder, behind a layer that counts requests and makes
//! them fail.
//!
//! With `EMBERLINE_TEST_S3=http://HOST:PORT/BUCKET`, and that server's `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, the same
//! layer is in front of that server instead.

mod body;
mod upstream;

use body::Answer;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Method, Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime};
use upstream::Upstream;

/// The bucket of the server in this process.
const BUCKET: &str = "studio";

/// What happens to requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// They are answered.
    #[default]
    None,
    /// They are answered with status 500.
    Fails,
    /// One in three is answered with status 500.
    FailsSometimes,
    /// They are answered after this time.
    Slow(Duration),
    /// Their connections are closed without an answer.
    Away,
    /// An object's body ends in the middle.
    Cut,
    /// A bit in the middle of an object's body is another one.
    Flipped,
}

/// A request: its method and the key of the object in the bucket.
pub type Asked = (String, String);

struct Shared {
    upstream: Upstream,
    bucket: String,
    fault: Mutex<Fault>,
    asked: Mutex<Vec<Asked>>,
    number: AtomicU32,
}

/// A running server. It stops when this is dropped.
pub struct TestS3 {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// The objects of this server in the bucket.
    prefix: String,
    folder: TempDir,
    /// Until the drop.
    runtime: Option<Runtime>,
}

impl Drop for TestS3 {
    fn drop(&mut self) {
        // A plain drop waits, which an async test may not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl TestS3 {
    /// Starts a server.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let folder = tempfile::tempdir().expect("a folder");
        let (upstream, bucket) = Upstream::of_environment(folder.path(), BUCKET);
        let prefix = format!("test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let shared =
            Shared { upstream, bucket, fault: Mutex::default(), asked: Mutex::default(), number: AtomicU32::new(0) };
        let shared = Arc::new(shared);
        let runtime = Runtime::new().expect("a runtime");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("set");
        let address = listener.local_addr().expect("an address");
        let served = Arc::clone(&shared);
        runtime.spawn(async move { serve(TcpListener::from_std(listener).expect("a listener"), served).await });
        Self { address, shared, prefix, folder, runtime: Some(runtime) }
    }

    /// The address of its objects: `s3://BUCKET/PREFIX`.
    pub fn url(&self) -> String {
        format!("s3://{}/{}", self.shared.bucket, self.prefix)
    }

    /// The variables that a client needs.
    pub fn variables(&self) -> Vec<(String, String)> {
        let (id, secret) = self.shared.upstream.credentials();
        let of = |name: &str, value: String| (name.to_owned(), value);
        vec![
            of("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            of("AWS_REGION", "us-east-1".to_owned()),
            of("AWS_ACCESS_KEY_ID", id),
            of("AWS_SECRET_ACCESS_KEY", secret),
        ]
    }

    /// From here on requests meet this fault.
    pub fn set_fault(&self, fault: Fault) {
        *lock(&self.shared.fault) = fault;
    }

    /// The requests so far about objects under this name, such as `pictures`.
    pub fn asked(&self, under: &str) -> Vec<Asked> {
        let start = format!("{}/{under}", self.prefix);
        let asked = lock(&self.shared.asked);
        let of_ours = asked.iter().filter_map(|(method, key)| {
            let name = key.strip_prefix(&start).map(|_| key[self.prefix.len() + 1..].to_owned());
            Some((method.clone(), name?))
        });
        of_ours.collect()
    }

    /// How many requests with this method there were about objects under this name.
    pub fn count(&self, method: &str, under: &str) -> usize {
        self.asked(under).iter().filter(|(of, _)| of == method).count()
    }

    /// The file of an object, to change or date it behind the server's back; none if the server is another process.
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        self.shared
            .upstream
            .is_here()
            .then(|| self.folder.path().join(&self.shared.bucket).join(&self.prefix).join(name))
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&shared), request));
            // An error: the client is gone, or the fault closes the connection.
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Answer>, hyper::Error> {
    let method = request.method().clone();
    let key = request
        .uri()
        .path()
        .trim_start_matches('/')
        .strip_prefix(&shared.bucket)
        .map(|key| key.trim_start_matches('/'));
    let key = key.unwrap_or_default().to_owned();
    lock(&shared.asked).push((method.to_string(), key.clone()));
    let fault = *lock(&shared.fault);
    let number = shared.number.fetch_add(1, Ordering::Relaxed);
    match fault {
        Fault::Fails => return Ok(failed()),
        Fault::FailsSometimes if number.is_multiple_of(3) => return Ok(failed()),
        Fault::Slow(time) => tokio::time::sleep(time).await,
        Fault::Away => return Ok(Response::new(Answer::broken())),
        _ => {}
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let response = shared.upstream.call(Request::from_parts(parts, body)).await;
    let is_object = method == Method::GET && !key.is_empty() && response.status().is_success();
    Ok(response.map(|bytes| match fault {
        Fault::Cut if is_object => Answer::cut(bytes),
        Fault::Flipped if is_object => Answer::whole(flipped(&bytes)),
        _ => Answer::whole(bytes),
    }))
}

fn failed() -> Response<Answer> {
    let body = "<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>a fault of the test</Message></Error>";
    let mut response = Response::new(Answer::whole(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

fn flipped(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1);
    bytes.into()
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
