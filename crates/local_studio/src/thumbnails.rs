//! Thumbnails of takes, made when they are first requested and kept in memory.
//!
//! They are not files: a thumbnail of a picture of 1024 x 1024 takes 20 ms, and browsers keep it by its version. So there is
//! nothing on disk to keep in step with the pictures.

use crate::{Budget, LocalStudio, problem::problem};
use engine::{Media, OpenPicture, SharedPictureError};
use protocol::Problem;
use quick_cache::{Weighter, sync::Cache};
use std::{
    fmt,
    io::{self, Read},
    sync::Arc,
};

/// Memory for thumbnails, bytes: those of about 4000 takes at 320 pixels.
const CACHE_BYTES: u64 = 64 << 20;
/// Their expected size, bytes. Only the cache's index is allocated by it.
const EXPECTED_BYTES: u64 = 16 << 10;
/// Memory for decoding, bytes: eight pictures of 2048 x 2048.
const DECODING_BYTES: u64 = 256 << 20;

/// A take's thumbnail.
#[derive(Clone, Debug)]
pub struct TakeThumbnail {
    /// JPEG file.
    pub jpeg: Arc<[u8]>,
    /// ETag of the picture that it was made from, without quotes.
    pub picture_etag: String,
}

/// By the picture's ETag and the longer side in pixels.
type Key = (String, u32);

/// The thumbnails in memory.
pub(crate) struct Thumbnails {
    made: Cache<Key, Arc<[u8]>, ByLength>,
    decoding: Budget,
}

#[derive(Clone)]
struct ByLength;

impl Weighter<Key, Arc<[u8]>> for ByLength {
    fn weight(&self, _: &Key, jpeg: &Arc<[u8]>) -> u64 {
        jpeg.len() as u64
    }
}

impl Default for Thumbnails {
    fn default() -> Self {
        let expected = usize::try_from(CACHE_BYTES / EXPECTED_BYTES).unwrap_or_default();
        Self { made: Cache::with_weighter(expected, CACHE_BYTES, ByLength), decoding: Budget::new(DECODING_BYTES) }
    }
}

impl fmt::Debug for Thumbnails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thumbnails").field("count", &self.made.len()).field("bytes", &self.made.weight()).finish()
    }
}

impl Thumbnails {
    /// The thumbnail of a picture. Concurrent requests for the same one decode it once.
    async fn get(&self, picture: OpenPicture, side_px: u32) -> io::Result<TakeThumbnail> {
        let id = (picture.etag, side_px);
        let made = self.made.get_or_insert_async(&id, async {
            // The bytes are those of the ETag: they are read from the same open file.
            let mut file = picture.bytes;
            let read = tokio::task::spawn_blocking(move || {
                let mut png = Vec::new();
                file.read_to_end(&mut png).map(|_| png)
            });
            let png = read.await??;
            let memory = picture_file::memory_bytes(&png).map_err(io::Error::other)?;
            let share = self.decoding.share(memory).await;
            let made = tokio::task::spawn_blocking(move || {
                let _held_while_decoding = share;
                picture_file::thumbnail(&png, side_px)
            });
            made.await?.map(Arc::from).map_err(io::Error::other)
        });
        let jpeg = made.await?;
        Ok(TakeThumbnail { jpeg, picture_etag: id.0 })
    }
}

async fn opened(media: &Arc<Media>, key: &str) -> io::Result<OpenPicture> {
    let (media, key) = (Arc::clone(media), key.to_owned());
    tokio::task::spawn_blocking(move || media.picture(&key)).await?
}

impl LocalStudio {
    /// The thumbnail of the picture with this key, whose longer side is at most `side_px`.
    ///
    /// # Errors
    /// [`Problem::NotFound`] if there is no such picture, [`Problem::Internal`] if its file cannot be read.
    pub async fn take_thumbnail(&self, key: &str, side_px: u32) -> Result<TakeThumbnail, Problem> {
        let made = match self.shared_picture(key, None).await? {
            Some(picture) => self.thumbnails.get(picture, side_px).await,
            None => match opened(self.media(), key).await {
                Ok(picture) => self.thumbnails.get(picture, side_px).await,
                Err(error) => Err(error),
            },
        };
        made.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Problem::NotFound(format!("picture {key:?}")),
            _ => {
                tracing::error!(key, %error, "cannot make a thumbnail");
                Problem::Internal
            }
        })
    }

    /// What is at a picture's address, if that is not the file in the folder: where servers share the database, forming pictures
    /// are in it. `version` is the ETag that the address names.
    ///
    /// # Errors
    /// [`Problem::NotFound`] if there is no such picture, [`Problem::Unavailable`] while the database or the object store is away,
    /// [`Problem::Fault`] if the object is missing or damaged.
    pub async fn shared_picture(&self, key: &str, version: Option<&str>) -> Result<Option<OpenPicture>, Problem> {
        self.engine.shared_picture(key, version).await.map_err(|error| match error {
            SharedPictureError::Store(error) => problem(error),
            SharedPictureError::Object(error) if error.is_passing() => {
                Problem::Unavailable("the object store does not answer; try again".to_owned())
            }
            // Logged once, when it was fetched.
            SharedPictureError::Object(_) => Problem::Fault(
                "the picture is missing or damaged in the object store; the server's log says which".to_owned(),
            ),
            SharedPictureError::Io(error) if error.kind() == io::ErrorKind::HostUnreachable => {
                Problem::Unavailable(format!("{}; try again", engine::why_unread(&error)))
            }
            SharedPictureError::Io(error) => {
                tracing::error!(key, %error, "cannot show a picture");
                Problem::Internal
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::ImageFormat;
    use test_pictures::{file, pattern};

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
    }

    #[test]
    fn a_thumbnail_is_of_the_picture_that_is_there_now_and_made_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let media = Arc::new(Media::open(folder.path()).expect("opens"));
        let (thumbnails, key) = (Thumbnails::default(), engine::new_key());
        let get = |side_px| block_on(async { thumbnails.get(opened(&media, &key).await?, side_px).await });
        assert_eq!(get(160).expect_err("no picture").kind(), io::ErrorKind::NotFound);

        let first = media.write_final(&key, &file(pattern(640, 320), ImageFormat::Png)).expect("written");
        let (small, again, large) = (get(160).expect("made"), get(160).expect("kept"), get(320).expect("made"));
        let size = |of: &TakeThumbnail| image::load_from_memory(&of.jpeg).expect("a JPEG").to_rgb8().dimensions();
        assert_eq!((size(&small), size(&large), &small.picture_etag), ((160, 80), (320, 160), &first));
        assert!(Arc::ptr_eq(&small.jpeg, &again.jpeg), "not made twice");

        let second = media.write_final(&key, &file(pattern(320, 640), ImageFormat::Png)).expect("written");
        let replaced = get(160).expect("made");
        assert_eq!((size(&replaced), &replaced.picture_etag), ((80, 160), &second));
    }

    #[test]
    fn a_damaged_picture_is_an_error_and_is_tried_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let media = Arc::new(Media::open(folder.path()).expect("opens"));
        let (thumbnails, key) = (Thumbnails::default(), engine::new_key());
        let whole = file(pattern(320, 320), ImageFormat::Png);
        let get = || block_on(async { thumbnails.get(opened(&media, &key).await?, 160).await });
        media.write_final(&key, &whole[..whole.len() / 2]).expect("written");
        for _ in 0..2 {
            get().expect_err("half a picture");
        }
        media.write_final(&key, &whole).expect("written");
        get().expect("a picture");
    }
}
