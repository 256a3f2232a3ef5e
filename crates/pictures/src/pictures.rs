//! Objects with a cache in front of them.

use crate::{CACHE_BYTES, Cache, ObjectError, Objects, Spool};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture, future::Shared};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::task::spawn_blocking;

/// Damaged objects whose names are remembered, so that each is logged once.
const MOST_DAMAGED: usize = 1000;

/// The bytes of an object. They do not change while they are read.
#[derive(Debug)]
pub enum Opened {
    /// A file, open at its start, and its length in bytes.
    File(File, u64),
    /// In memory: the disk of the cache takes no more.
    Memory(Bytes),
}

/// A fetch under way, which all requests for an object share.
type Flight = Shared<BoxFuture<'static, Result<Bytes, ObjectError>>>;

/// The objects of a bucket, a cache and a spool in a folder. Cheap to clone.
#[derive(Clone)]
pub struct Pictures(Arc<Inner>);

struct Inner {
    objects: Objects,
    cache: Cache,
    spool: Spool,
    folder: PathBuf,
    flights: Mutex<HashMap<String, Flight>>,
    damaged: Mutex<HashSet<String>>,
    /// Locked for as long as this exists: one process uses the folder.
    _lock: File,
}

impl Pictures {
    /// The objects, with the folder `cache_dir` for the cache (`pictures` in it, 2 GiB at most) and the spool. One process can
    /// use the folder. Blocks.
    ///
    /// # Errors
    /// [`ObjectError::Folder`]: a folder that cannot be used, or that another process uses.
    pub fn open(objects: Objects, cache_dir: &Path) -> Result<Self, ObjectError> {
        let failed = |error| ObjectError::folder(cache_dir, error);
        crate::cache::private_folder(cache_dir).map_err(failed)?;
        let lock = File::options().create(true).truncate(false).write(true).open(cache_dir.join("cache.lock"));
        let lock = lock.map_err(failed)?;
        lock.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => failed(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another process uses it; each needs its own --cache-dir",
            )),
            std::fs::TryLockError::Error(error) => failed(error),
        })?;
        let cache = Cache::open(&cache_dir.join("pictures"), CACHE_BYTES)?;
        let spool = Spool::open(&cache_dir.join("spool"))?;
        let (flights, damaged) = Default::default();
        let folder = cache_dir.to_owned();
        Ok(Self(Arc::new(Inner { objects, cache, spool, folder, flights, damaged, _lock: lock })))
    }

    /// The objects themselves.
    pub fn objects(&self) -> &Objects {
        &self.0.objects
    }

    /// The pictures that wait for the store.
    pub fn spool(&self) -> &Spool {
        &self.0.spool
    }

    /// The folder of the cache, for other files that are kept beside it.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Stores an object, and keeps it in the cache: who makes a picture need not fetch it.
    ///
    /// # Errors
    /// As [`Objects::put`].
    pub async fn put(&self, object: &str, etag: &str, bytes: Bytes) -> Result<(), ObjectError> {
        self.0.objects.put(object, bytes.clone()).await?;
        self.keep(etag, bytes).await;
        Ok(())
    }

    /// Opens an object with this ETag: from the cache, else fetched, checked and kept. However many ask at a time, it is fetched
    /// once.
    ///
    /// # Errors
    /// As [`Objects::get`]. A damaged object is logged once.
    pub async fn get(&self, object: &str, etag: &str) -> Result<Opened, ObjectError> {
        if let Some((file, bytes)) = self.cached(etag).await {
            return Ok(Opened::File(file, bytes));
        }
        let bytes = self.flight(object, etag).await?;
        Ok(match self.cached(etag).await {
            Some((file, bytes)) => Opened::File(file, bytes),
            None => Opened::Memory(bytes),
        })
    }

    fn flight(&self, object: &str, etag: &str) -> Flight {
        let mut flights = self.flights();
        if let Some(flight) = flights.get(object) {
            return flight.clone();
        }
        let (this, name, etag) = (self.clone(), object.to_owned(), etag.to_owned());
        let away = ObjectError::Away { object: object.to_owned(), why: "the fetch was aborted".to_owned() };
        // A task of its own: the first request may be dropped, and the others wait for the same bytes.
        let task = tokio::spawn(async move {
            let fetched = this.fetch(&name, &etag).await;
            this.flights().remove(&name);
            fetched
        });
        let flight = task.map(|joined| joined.unwrap_or(Err(away))).boxed().shared();
        flights.insert(object.to_owned(), flight.clone());
        flight
    }

    async fn fetch(&self, object: &str, etag: &str) -> Result<Bytes, ObjectError> {
        let fetched = self.0.objects.get(object, etag).await;
        match &fetched {
            Ok(bytes) => self.keep(etag, bytes.clone()).await,
            Err(error @ (ObjectError::Damaged { .. } | ObjectError::Missing { .. })) => {
                let mut damaged = self.0.damaged.lock().unwrap_or_else(PoisonError::into_inner);
                if damaged.len() < MOST_DAMAGED && damaged.insert(object.to_owned()) {
                    tracing::error!(%error, "what is stored cannot be shown");
                }
            }
            Err(_) => {}
        }
        fetched
    }

    async fn cached(&self, etag: &str) -> Option<(File, u64)> {
        let (this, etag) = (self.clone(), etag.to_owned());
        spawn_blocking(move || this.0.cache.get(&etag)).await.ok().flatten()
    }

    /// A cache that takes no more costs a fetch for each request.
    async fn keep(&self, etag: &str, bytes: Bytes) {
        let (this, etag) = (self.clone(), etag.to_owned());
        let kept = spawn_blocking(move || this.0.cache.insert(&etag, &bytes)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, folder = %self.0.folder.display(), "a picture could not be cached");
        }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<String, Flight>> {
        self.0.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pictures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pictures").field("url", self.0.objects.url()).field("folder", &self.0.folder).finish()
    }
}
