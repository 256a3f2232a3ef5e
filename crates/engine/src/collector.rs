//! Removes objects that no row names: pictures, traces and saved states of attempts that lost their runs, and of takes that were
//! deleted; exported files of servers that are gone.

use ::pictures::{EXPORTS, Object, ObjectError, Objects, PICTURES, TRACES};
use futures::StreamExt;
use std::time::{Duration, SystemTime};
use store::{Store, StoreError};

/// Objects without a row stay for this time at least: a picture is stored before its row names it.
pub const ORPHANS_KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Objects that are looked up in the database at a time.
const AT_ONCE: usize = 1000;

/// Why orphans could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object store does not answer.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

/// Deletes the pictures, traces and saved states of the object store that no row names and that are older than `age` by the store's clock. Returns how
/// many. Does nothing while another server does it.
///
/// # Errors
/// The database or the object store does not answer. What was not deleted is found the next time.
pub async fn collect_orphans(store: &Store, objects: &Objects, age: Duration) -> Result<usize, CollectError> {
    if !store.begin_collection().await? {
        return Ok(0);
    }
    let collected = collect_all(store, objects, age).await;
    store.end_collection().await?;
    collected
}

async fn collect_all(store: &Store, objects: &Objects, age: Duration) -> Result<usize, CollectError> {
    store.forget_traces_without_take(age).await?;
    let mut removed = 0;
    for under in [PICTURES, TRACES, EXPORTS] {
        removed += collect(store, objects, under, age).await?;
    }
    Ok(removed)
}

async fn collect(store: &Store, objects: &Objects, under: &str, age: Duration) -> Result<usize, CollectError> {
    let mut removed = 0;
    let mut listed = std::pin::pin!(objects.list(under).chunks(AT_ONCE));
    while let Some(part) = listed.next().await {
        let part = part.into_iter().collect::<Result<Vec<Object>, _>>()?;
        let now = SystemTime::now();
        let is_old = |object: &Object| now.duration_since(object.modified).is_ok_and(|old| old >= age);
        let old: Vec<String> = part.into_iter().filter(is_old).map(|object| object.name).collect();
        let mut named = store.named_objects(old.clone()).await?;
        if under == EXPORTS
            && let Some(exports) = store.exports()
        {
            named.extend(exports.objects().await?);
        }
        for object in old.iter().filter(|object| !named.contains(*object)) {
            objects.delete(object).await?;
            removed += 1;
        }
    }
    Ok(removed)
}
