//! Checks that the object store belongs to the database, as `identity.rs` does for a folder: both have the same random identity,
//! the store in the object `media.id`. The objects are not listed.

use super::{RecoveryError, identity::IDENTITY};
use crate::new_key;
use ::pictures::{ObjectError, Objects};
use store::Store;

/// What the database and the object store know of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Match {
    of_store: Option<String>,
    of_objects: Option<String>,
}

/// Compares them. Changes nothing.
pub(super) async fn compare(store: &Store, objects: &Objects) -> Result<Match, RecoveryError> {
    let of_objects = match objects.read(::pictures::IDENTITY).await {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).trim().to_owned()),
        Err(ObjectError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let of_store = store.setting(IDENTITY).await?;
    let places = store.picture_places().await?;
    let foreign = |why: String| RecoveryError::ForeignStore { store: objects.url().to_string(), why };
    if places.files > 0 {
        return Err(foreign(format!("{} finished pictures of the database are files of a folder", places.files)));
    }
    match (&of_store, &of_objects) {
        (Some(of_store), Some(of_objects)) if of_store != of_objects => {
            Err(foreign(format!("the object store's identity is {of_objects}, the database's {of_store}")))
        }
        (None, Some(_)) => Err(foreign("the object store has the pictures of another database".to_owned())),
        (_, None) if places.objects > 0 => Err(foreign(format!(
            "the database has {} pictures in an object store, and this one does not have the object {}: it is another \
             bucket or prefix",
            places.objects,
            ::pictures::IDENTITY
        ))),
        _ => Ok(Match { of_store, of_objects }),
    }
}

/// As [`compare`], for a server that starts beside others.
pub(super) async fn join(store: &Store, objects: &Objects) -> Result<(), RecoveryError> {
    let found = compare(store, objects).await?;
    match found.of_objects.is_some() {
        true => Ok(()),
        false => {
            let why = "the other servers use another one".to_owned();
            Err(RecoveryError::ForeignStore { store: objects.url().to_string(), why })
        }
    }
}

/// Compares them, and stores a common identity in both if they have none. The database comes first: a store with an identity
/// that the database does not know is another database's.
pub(super) async fn identify(store: &Store, objects: &Objects) -> Result<(), RecoveryError> {
    let found = compare(store, objects).await?;
    let identity = match found.of_store {
        Some(identity) => identity,
        None => {
            let identity = new_key();
            store.put_setting(IDENTITY, &identity).await?;
            identity
        }
    };
    match found.of_objects {
        Some(_) => Ok(()),
        None => Ok(objects.put(::pictures::IDENTITY, identity.into_bytes().into()).await?),
    }
}
