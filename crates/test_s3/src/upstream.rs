//! The server behind the layer of faults.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::{
    Body,
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use std::{error::Error, path::Path};
use tokio::net::TcpStream;

/// The variable that names another server.
const VARIABLE: &str = "EMBERLINE_TEST_S3";
/// Credentials of the server in this process.
const ID: &str = "TESTKEYID";
const SECRET: &str = "test-secret-that-no-log-may-have";

/// A server.
pub(crate) enum Upstream {
    /// In this process.
    Here(S3Service),
    /// At this host and port.
    There(String),
}

impl Upstream {
    /// The server that the environment names, else one over this folder with this bucket. Returns its bucket too.
    pub(crate) fn of_environment(folder: &Path, bucket: &str) -> (Self, String) {
        if let Ok(url) = std::env::var(VARIABLE) {
            let place = url.strip_prefix("http://").and_then(|rest| rest.trim_end_matches('/').split_once('/'));
            let (address, bucket) = place.unwrap_or_else(|| panic!("{VARIABLE} is http://HOST:PORT/BUCKET"));
            return (Self::There(address.to_owned()), bucket.to_owned());
        }
        std::fs::create_dir(folder.join(bucket)).expect("a bucket");
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder).expect("a folder"));
        service.set_auth(SimpleAuth::from_single(ID, SECRET));
        (Self::Here(service.build()), bucket.to_owned())
    }

    pub(crate) fn is_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }

    /// The id and the secret of a key.
    pub(crate) fn credentials(&self) -> (String, String) {
        let variable = |name| std::env::var(name).unwrap_or_default();
        match self {
            Self::Here(_) => (ID.to_owned(), SECRET.to_owned()),
            Self::There(_) => (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")),
        }
    }

    /// The answer to a request; status 502 if the server is gone.
    pub(crate) async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        let answered = match self {
            Self::Here(service) => here(service, request).await,
            Self::There(address) => there(address, request).await,
        };
        answered.unwrap_or_else(|error| {
            let mut response = Response::new(Bytes::from(error.to_string()));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        })
    }
}

type Failure = Box<dyn Error + Send + Sync>;

async fn here(service: &S3Service, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
    let response = service.call(request.map(Body::from)).await.map_err(|error| format!("{error:?}"))?;
    let (parts, body) = response.into_parts();
    Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
}

/// The header `Host` stays that of the layer: the signature has it.
async fn there(address: &str, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
    let stream = TokioIo::new(TcpStream::connect(address).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection);
    let (parts, body) = sender.send_request(request.map(Full::new)).await?.into_parts();
    Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
}
