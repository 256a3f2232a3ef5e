//! Checks that the pictures' folder belongs to the database.
//!
//! With another database's folder, recovery would move all pictures away as orphans and delete all rows as lost. So both
//! store the same random identity from the first start on. The folder's is inside the folder, so it is missing when the
//! folder's disk is not mounted.

use crate::{Media, new_key};
use std::{collections::HashSet, io};
use store::{Store, StoreError};

/// The database's setting with the identity of its pictures' folder.
pub(super) const IDENTITY: &str = "media_identity";

/// If more finished pictures than this are missing, the folder is probably another one or an old copy.
const MOST_MISSING: usize = 8;

/// Why the folder and the database do not match, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// They belong to two different installations. Always refused.
    Foreign(String),
    /// Pictures or the whole folder are missing. A user can accept that they are lost.
    Missing(String),
}

/// The identity of a folder and a database that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    /// The common identity.
    identity: String,
    in_store: bool,
    in_folder: bool,
}

/// The facts that the check uses.
struct Evidence {
    of_store: Option<String>,
    of_folder: Option<String>,
    /// The identity beside the folder, from versions before 0.2.
    beside: Option<String>,
    folder_is_there: bool,
    /// Number of pictures in the folder, and of those without a row.
    pictures: usize,
    unknown: usize,
    /// Number of takes.
    takes: usize,
    /// Number of finished takes, and of those without a picture.
    finished: usize,
    lost: usize,
}

/// The identity that the database stores; none if no server has used it.
pub(crate) async fn media_identity(store: &Store) -> Result<Option<String>, StoreError> {
    store.setting(IDENTITY).await
}

/// Compares the folder with the database. Changes nothing. `accept_missing`: the user accepts that missing pictures are
/// lost.
pub(crate) async fn compare(
    store: &Store,
    media: &Media,
    accept_missing: bool,
) -> Result<Result<Match, Mismatch>, CompareError> {
    let folder_is_there = media.exists()?;
    let keys = if folder_is_there { media.list()?.keys } else { Vec::new() };
    let present: HashSet<&str> = keys.iter().map(String::as_str).collect();
    let known = store.take_keys().await?;
    let known: HashSet<&str> = known.iter().map(String::as_str).collect();
    let takes = store.take_files().await?;
    let finished: Vec<_> = takes.iter().filter(|take| take.finished).collect();
    let evidence = Evidence {
        of_store: media_identity(store).await?,
        of_folder: if folder_is_there { media.identity()? } else { None },
        beside: media.old_identity()?,
        folder_is_there,
        pictures: present.len(),
        unknown: present.iter().filter(|key| !known.contains(*key)).count(),
        takes: known.len(),
        finished: finished.len(),
        lost: finished.iter().filter(|take| !present.contains(take.key.as_str())).count(),
    };
    Ok(evidence.compare(accept_missing))
}

/// Why the folder and the database could not be compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompareError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Folder(#[from] io::Error),
}

impl Evidence {
    fn compare(self, accept_missing: bool) -> Result<Match, Mismatch> {
        let of_folder = self.of_folder.as_ref().or(self.beside.as_ref());
        let has_identity = self.of_store.is_some() && self.of_store == self.of_folder;
        if let (Some(of_store), Some(of_folder)) = (&self.of_store, of_folder)
            && of_store != of_folder
        {
            return Err(Mismatch::Foreign(format!("the folder's identity is {of_folder}, the database's {of_store}")));
        }
        if !has_identity && self.pictures > 0 && self.unknown == self.pictures {
            let why = format!("the folder has {} pictures, and the database knows none", self.pictures);
            return Err(Mismatch::Foreign(why));
        }
        if !accept_missing {
            self.is_complete(has_identity).map_err(Mismatch::Missing)?;
        }
        let identity = self.of_store.clone().or_else(|| of_folder.cloned()).unwrap_or_else(new_key);
        Ok(Match { identity, in_store: self.of_store.is_some(), in_folder: self.of_folder.is_some() })
    }

    /// An error with what is missing, unless the folder has what this database's folder should have.
    fn is_complete(&self, has_identity: bool) -> Result<(), String> {
        let Self { finished, lost, .. } = *self;
        let place = match self.folder_is_there {
            true => "in the folder",
            false => "in the folder, which is missing",
        };
        if finished > 0 && lost == finished {
            return Err(format!("the database has {finished} finished pictures, and none is {place}"));
        }
        if lost > MOST_MISSING {
            return Err(format!("the database has {finished} finished pictures, and {lost} of them are not {place}"));
        }
        // A folder with the database's identity is accepted. Without one, the pictures decide: a folder of an earlier version
        // must have some of the database's pictures, and a folder of this version must have all of them.
        let has_pictures_of_ours = self.pictures > self.unknown;
        let was_identified_here = self.of_store.is_some() && self.beside.is_none();
        let has_our_pictures = match was_identified_here {
            true => finished > 0 && lost == 0,
            false => self.takes == 0 || has_pictures_of_ours,
        };
        if has_identity || has_our_pictures {
            return Ok(());
        }
        let why = match (self.folder_is_there, &self.of_folder) {
            (false, _) => "the folder is missing",
            (true, None) => "the folder does not hold its identity: it is another one, or an empty one",
            (true, Some(_)) => "the database does not know the folder, and none of its pictures is in it",
        };
        Err(why.to_owned())
    }
}

impl Match {
    /// Whether both the database and the folder hold it already.
    pub(crate) fn is_known(&self) -> bool {
        self.in_store && self.in_folder
    }

    /// Stores the identity in both. The folder comes first, because a database with an identity refuses a folder
    /// without one.
    pub(crate) async fn store(&self, store: &Store, media: &Media) -> Result<(), CompareError> {
        media.create()?;
        media.probe()?;
        if !self.in_folder {
            media.identify(&self.identity)?;
        }
        if !self.in_store {
            store.put_setting(IDENTITY, &self.identity).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both have the same identity, and no picture is missing.
    fn evidence() -> Evidence {
        Evidence {
            of_store: Some("a".into()),
            of_folder: Some("a".into()),
            beside: None,
            folder_is_there: true,
            pictures: 12,
            unknown: 0,
            takes: 12,
            finished: 10,
            lost: 0,
        }
    }

    fn emptied(finished: usize) -> Evidence {
        let takes = finished;
        Evidence { of_folder: None, pictures: 0, takes, finished, lost: finished, ..evidence() }
    }

    fn is_missing(evidence: Evidence) -> bool {
        matches!(evidence.compare(false), Err(Mismatch::Missing(_)))
    }

    fn is_foreign(evidence: Evidence) -> bool {
        matches!(evidence.compare(true), Err(Mismatch::Foreign(_)))
    }

    #[test]
    fn what_belongs_together_is_let_in() {
        let identity = |evidence: Evidence| evidence.compare(false).expect("one and the same").identity;
        assert_eq!(identity(evidence()), "a");
        // Some pictures are missing, or have no row.
        assert_eq!(identity(Evidence { lost: MOST_MISSING, ..evidence() }), "a");
        assert_eq!(identity(Evidence { pictures: 20, unknown: 20, takes: 0, finished: 0, ..evidence() }), "a");
        // A new data folder, and one whose first start was killed between storing the identity in the folder and in the database.
        let new = || Evidence { of_store: None, of_folder: None, pictures: 0, takes: 0, finished: 0, ..evidence() };
        assert_eq!(identity(new()).len(), 32);
        assert_eq!(identity(Evidence { of_folder: Some("b".into()), ..new() }), "b");
        assert_eq!(identity(Evidence { folder_is_there: false, ..new() }).len(), 32);
        // Versions before 0.2: the identity beside the folder, and before that none.
        assert_eq!(identity(Evidence { of_folder: None, beside: Some("a".into()), ..evidence() }), "a");
        assert_eq!(identity(Evidence { of_folder: None, of_store: None, ..evidence() }).len(), 32);
        // Copied without the hidden file, but with all pictures.
        assert_eq!(identity(Evidence { of_folder: None, ..evidence() }), "a");
    }

    #[test]
    fn a_folder_without_its_identity_is_refused_whatever_the_number_of_pictures() {
        for finished in [0, 1, 3, MOST_MISSING, 200] {
            assert!(is_missing(emptied(finished)), "{finished}");
            assert!(is_missing(Evidence { folder_is_there: false, ..emptied(finished) }), "{finished}");
            emptied(finished).compare(true).expect("a user accepts that they are lost");
        }
        // An empty mount point of an earlier version's folder: the identity beside it proves nothing.
        for finished in [1, MOST_MISSING, 200] {
            assert!(is_missing(Evidence { beside: Some("a".into()), ..emptied(finished) }), "{finished}");
        }
        let waiting = Evidence { beside: Some("a".into()), takes: 3, ..emptied(0) };
        assert!(is_missing(waiting), "the first previews of waiting tasks are missing");
        // Some of the pictures, in a folder without an identity.
        assert!(is_missing(Evidence { of_folder: None, lost: 3, ..evidence() }));
    }

    #[test]
    fn a_folder_with_its_identity_and_without_its_pictures_is_refused() {
        for lost in [MOST_MISSING + 1, 10] {
            assert!(is_missing(Evidence { lost, ..evidence() }), "{lost}");
        }
        assert!(is_missing(Evidence { pictures: 1, takes: 2, finished: 1, lost: 1, ..evidence() }), "the only one");
    }

    #[test]
    fn strangers_are_refused_whatever_a_person_says() {
        assert!(is_foreign(Evidence { of_folder: Some("b".into()), ..evidence() }));
        assert!(is_foreign(Evidence { of_folder: None, beside: Some("b".into()), ..evidence() }));
        // A new or emptied database, and a folder with pictures.
        let new = Evidence { of_store: None, unknown: 12, takes: 0, finished: 0, ..evidence() };
        assert!(is_foreign(new));
    }
}
