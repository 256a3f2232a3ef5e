//! Pictures that are being made, on any server.
//!
//! What is at an address is asked of the database each time, so that two reads never go back, whichever servers they are from. The
//! bytes are read only if this server does not have them.

use super::Cluster;
use crate::{
    Media,
    media::{Formed, OpenPicture, is_key, is_out_of_reach},
    previews::first_preview,
};
use ::pictures::{ObjectError, etag_of};
use protocol::Parameters;
use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use store::{Showing, StoreError};
use tokio::task::spawn_blocking;

/// Bytes of previews that are kept in memory: more than a thousand of latent2rgb, or a hundred of TAESD.
const KEPT_BYTES: usize = 64 << 20;

/// Why a picture cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum SharedPictureError {
    /// There is none, or the database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The first preview cannot be made, or a file not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A preview in memory.
#[derive(Clone)]
struct Preview {
    formed: Formed,
    etag: String,
    png: Arc<[u8]>,
}

impl From<Preview> for OpenPicture {
    fn from(Preview { formed, etag, png }: Preview) -> Self {
        Self::in_memory(png, etag, formed)
    }
}

/// The newest preview of each picture that clients of this server have read.
#[derive(Default)]
pub(super) struct Kept(Mutex<Previews>);

#[derive(Default)]
struct Previews {
    by_key: HashMap<String, Preview>,
    bytes: usize,
}

impl Kept {
    fn get(&self, key: &str) -> Option<Preview> {
        self.lock().by_key.get(key).cloned()
    }

    /// Keeps a preview, unless a newer one is kept.
    fn insert(&self, key: &str, preview: &Preview) {
        let mut kept = self.lock();
        if kept.by_key.get(key).is_some_and(|newest| newest.formed > preview.formed) {
            return;
        }
        if kept.bytes + preview.png.len() > KEPT_BYTES {
            *kept = Previews::default();
        }
        kept.bytes += preview.png.len();
        if let Some(old) = kept.by_key.insert(key.to_owned(), preview.clone()) {
            kept.bytes -= old.png.len();
        }
    }

    fn remove(&self, key: &str) {
        let mut kept = self.lock();
        if let Some(old) = kept.by_key.remove(key) {
            kept.bytes -= old.png.len();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Previews> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cluster {
    /// What is at the address of this key; none if it is the file in the folder, because the picture is finished. With its ETag as
    /// `version` a finished picture is found without the database; one that is an object, once it was found.
    pub(crate) async fn picture(
        &self,
        media: &Arc<Media>,
        key: &str,
        version: Option<&str>,
    ) -> Result<Option<OpenPicture>, SharedPictureError> {
        if !is_key(key) {
            return Err(StoreError::NotFound { what: format!("picture {key:?}") }.into());
        }
        if let Some(known) = media.known_object(key) {
            return Ok(media.open_object(key, known).await?);
        }
        if let Some(version) = version
            && let Ok(picture) = open(media, key).await
            && picture.etag == version
        {
            return Ok(Some(picture));
        }
        let kept = self.kept.get(key);
        let known = kept.as_ref().map(|kept| kept.etag.as_str());
        let preview = match self.store.showing(key, known).await? {
            None | Some(Showing::Finished) => {
                self.kept.remove(key);
                return Ok(None);
            }
            Some(Showing::Object(picture)) => {
                self.kept.remove(key);
                return Ok(media.open_object(key, picture).await?);
            }
            Some(Showing::Preview { attempt, step, etag, png }) => {
                let png = png.map(Arc::from).or_else(|| kept.map(|kept| kept.png)).unwrap_or_default();
                Preview { formed: Formed { attempt, step }, etag, png }
            }
            // After a crash of the database a newer one may be kept.
            Some(Showing::First { parameters, seed }) => match kept {
                Some(kept) => kept,
                // The first picture of a branch is that of the last step that it shares.
                None if parameters.branch_of.is_some() => match media.pictures() {
                    Some(_) => shared_step(media, key, *parameters, seed).await?,
                    None => return Ok(None),
                },
                None => first(*parameters, seed).await?,
            },
        };
        self.kept.insert(key, &preview);
        Ok(Some(preview.into()))
    }
}

async fn open(media: &Arc<Media>, key: &str) -> io::Result<OpenPicture> {
    let (media, key) = (Arc::clone(media), key.to_owned());
    spawn_blocking(move || media.picture(&key)).await?
}

/// The picture of the last step in the trace of a take that has not begun; its first preview without one.
async fn shared_step(media: &Arc<Media>, key: &str, parameters: Parameters, seed: u64) -> io::Result<Preview> {
    let (media, key) = (Arc::clone(media), key.to_owned());
    let read = spawn_blocking(move || -> Result<_, trace::Error> {
        let mut trace = media.open_trace(&key)?;
        let last = trace.pictures().map(|(step, _)| step).last();
        last.map_or(Ok(None), |step| trace.picture(step))
    });
    match read.await? {
        Ok(Some(png)) => Ok(Preview { formed: Formed::default(), etag: etag_of(&png), png: png.into() }),
        Err(error) if is_out_of_reach(&error) => Err(match error {
            trace::Error::Io(error) => error,
            error => io::Error::other(error),
        }),
        _ => first(parameters, seed).await,
    }
}

async fn first(parameters: Parameters, seed: u64) -> io::Result<Preview> {
    let png = spawn_blocking(move || first_preview(&parameters, seed)).await?.map_err(io::Error::other)?;
    Ok(Preview { formed: Formed::default(), etag: etag_of(&png), png: png.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preview(step: u32, bytes: usize) -> Preview {
        let formed = Formed { attempt: 1, step };
        Preview { formed, etag: step.to_string(), png: vec![0; bytes].into() }
    }

    #[test]
    fn the_newest_previews_are_kept_within_a_limit() {
        let kept = Kept::default();
        let step = |key: &str| kept.get(key).map(|preview| preview.formed.step);
        [2, 3, 1].iter().for_each(|n| kept.insert("a", &preview(*n, 1000)));
        assert_eq!((step("a"), kept.lock().bytes), (Some(3), 1000));
        kept.insert("b", &preview(1, KEPT_BYTES - 1000));
        assert_eq!((step("a"), step("b")), (Some(3), Some(1)));
        kept.insert("c", &preview(1, 1));
        assert_eq!((step("a"), step("b"), step("c"), kept.lock().bytes), (None, None, Some(1), 1));
        kept.remove("c");
        assert_eq!((step("c"), kept.lock().bytes), (None, 0));
    }
}
