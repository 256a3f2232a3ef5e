//! The objects of a bucket.

use crate::{
    ObjectError, ObjectUrl,
    calls::{Calls, Counted},
    etag_of,
};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
    path::Path,
};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

/// How long the store may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// How long it may send nothing.
const SILENCE: Duration = Duration::from_secs(10);
/// How long a request may take in all.
const REQUEST: Duration = Duration::from_secs(60);
/// How long, and how often, a request that failed is tried again within a call. Callers that can wait try again themselves.
const RETRIES: usize = 2;
const RETRY: Duration = Duration::from_secs(5);
/// Most bytes of an object. Pictures and traces are far smaller.
const MOST_BYTES: u64 = 2 << 30;

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name, without the prefix of the [`ObjectUrl`].
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was put, by the store's clock.
    pub modified: SystemTime,
}

/// The objects under a prefix of a bucket. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Objects(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: AmazonS3,
    url: ObjectUrl,
    /// Whether the last request found no store.
    is_away: AtomicBool,
    counted: Counted,
}

impl Objects {
    /// Prepares access to the bucket. Sends nothing. `variables` is the environment: those that begin with `AWS_` are the
    /// credentials, the region and the endpoint. An endpoint (`AWS_ENDPOINT_URL`) that begins with `http://` is used without TLS.
    ///
    /// # Errors
    /// [`ObjectError::Setup`]: variables with wrong values.
    pub fn open(url: &ObjectUrl, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, ObjectError> {
        // The TLS of the database uses ring as well; this fails if it is installed already.
        rustls::crypto::ring::default_provider().install_default().ok();
        let named = variables.into_iter().filter(|(name, value)| name.starts_with("AWS_") && !value.is_empty());
        let known = named.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)));
        let builder = known.fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value));
        let builder = builder.with_bucket_name(url.bucket());
        let endpoints = [AmazonS3ConfigKey::Endpoint, AmazonS3ConfigKey::S3Endpoint];
        let is_plain = endpoints
            .iter()
            .filter_map(|key| builder.get_config_value(key))
            .any(|endpoint| endpoint.to_ascii_lowercase().starts_with("http://"));
        let client = ClientOptions::new()
            .with_allow_http(is_plain)
            .with_connect_timeout(CONNECT)
            .with_read_timeout(SILENCE)
            .with_timeout(REQUEST);
        let backoff = BackoffConfig { max_backoff: Duration::from_secs(1), ..BackoffConfig::default() };
        let retry = RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRY };
        let built = builder.with_client_options(client).with_retry(retry).build();
        let store = built.map_err(|error| ObjectError::Setup { url: url.to_string(), why: error.to_string() })?;
        Ok(Self(Arc::new(Inner {
            store,
            url: url.clone(),
            is_away: AtomicBool::new(false),
            counted: Counted::default(),
        })))
    }

    /// Where the objects are.
    pub fn url(&self) -> &ObjectUrl {
        &self.0.url
    }

    /// Whether the last request found no store, or was refused.
    pub fn is_away(&self) -> bool {
        self.0.is_away.load(Ordering::Relaxed)
    }

    /// The requests so far, for metrics.
    pub fn calls(&self) -> Vec<Calls> {
        self.0.counted.all()
    }

    /// Stores an object. When this returns it is durable. Storing the same bytes again changes nothing.
    ///
    /// # Errors
    /// The store is away or refuses it.
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<(), ObjectError> {
        let put = async { self.0.store.put(&self.path(name), bytes.into()).await.map(drop) };
        self.asked("put", name, false, put).await
    }

    /// The bytes of an object with this ETag ([`etag_of`]).
    ///
    /// # Errors
    /// [`ObjectError::Missing`]; [`ObjectError::Damaged`] if its bytes have another ETag; the store is away or refuses it.
    pub async fn get(&self, name: &str, etag: &str) -> Result<Bytes, ObjectError> {
        let bytes = self.read(name).await?;
        match etag_of(&bytes) == etag {
            true => Ok(bytes),
            false => Err(ObjectError::Damaged { object: self.0.url.of(name) }),
        }
    }

    /// The bytes of an object, whatever they are.
    ///
    /// # Errors
    /// As [`Objects::get`].
    pub async fn read(&self, name: &str) -> Result<Bytes, ObjectError> {
        let read = async {
            let found = self.0.store.get(&self.path(name)).await?;
            if found.meta.size > MOST_BYTES {
                let source = format!("it has {} bytes", found.meta.size).into();
                return Err(object_store::Error::Generic { store: "S3", source });
            }
            found.bytes().await
        };
        self.asked("get", name, true, read).await
    }

    /// Deletes an object. A missing one is not an error.
    ///
    /// # Errors
    /// The store is away or refuses it.
    pub async fn delete(&self, name: &str) -> Result<(), ObjectError> {
        let path = self.path(name);
        match self.asked("delete", name, true, self.0.store.delete(&path)).await {
            Err(ObjectError::Missing { .. }) => Ok(()),
            done => done,
        }
    }

    /// The objects under a name, such as [`crate::PICTURES`], in no particular order. Reads the list as it is consumed: a
    /// thousand objects a request.
    ///
    /// # Errors
    /// Each item: the store is away or refuses it. Nothing follows an error.
    pub fn list(&self, under: &str) -> impl Stream<Item = Result<Object, ObjectError>> + Send + use<> {
        let (this, under) = (self.clone(), under.to_owned());
        let prefix = self.path(&under);
        self.0.store.list(Some(&prefix)).filter_map(move |listed| {
            let found = match listed {
                Ok(meta) => {
                    this.note(None);
                    this.0.url.name(meta.location.as_ref()).map(|name| {
                        Ok(Object { name: name.to_owned(), bytes: meta.size, modified: meta.last_modified.into() })
                    })
                }
                Err(error) => {
                    let error = ObjectError::of(this.0.url.of(&under), &error, false);
                    this.note(Some(&error));
                    Some(Err(error))
                }
            };
            std::future::ready(found)
        })
    }

    pub(crate) fn store(&self) -> &AmazonS3 {
        &self.0.store
    }

    pub(crate) fn path(&self, name: &str) -> Path {
        Path::from(self.0.url.key(name))
    }

    pub(crate) async fn asked<T>(
        &self,
        op: &'static str,
        name: &str,
        is_read: bool,
        call: impl Future<Output = Result<T, object_store::Error>>,
    ) -> Result<T, ObjectError> {
        let begun = Instant::now();
        let done = call.await.map_err(|error| ObjectError::of(self.0.url.of(name), &error, is_read));
        self.0.counted.add(op, done.as_ref().err(), begun.elapsed());
        self.note(done.as_ref().err());
        done
    }

    /// Logs when the store goes away and when it is back, once each.
    fn note(&self, error: Option<&ObjectError>) {
        let is_away = error.is_some_and(ObjectError::is_passing);
        let was_away = self.0.is_away.swap(is_away, Ordering::Relaxed);
        match error {
            Some(error) if is_away && !was_away => {
                tracing::warn!(%error, "the object store is away; finished pictures wait, and what is not cached cannot be shown");
            }
            _ if was_away && !is_away => tracing::info!(store = %self.0.url, "the object store answers again"),
            _ => {}
        }
    }
}
