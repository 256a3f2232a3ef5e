//! Whether a pictures' folder is the database's.
//!
//! Another database's pictures would all be moved away as nobody's, and this one's rows all be forgotten as lost. Both keep
//! one random identity, from the first start on: the folder's is inside it, so it is missing when the folder's disk is.

use crate::{Media, new_key};
use std::{collections::HashSet, io};
use store::{Store, StoreError};

/// Under which name the database keeps the identity of its pictures' folder.
const IDENTITY: &str = "media_identity";

/// So many finished pictures are not lost one by one: the folder is another, or an old copy.
const MANY: usize = 8;

/// What is missing from the folder or from the database, so that one of them is not the other's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// They are of two different studios: no option helps.
    Strangers(String),
    /// Pictures, or the whole folder, are missing: a person may know that they are gone for good.
    Missing(String),
}

/// How a folder and a database that belong together know each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kinship {
    /// The identity that both have from now on.
    identity: String,
    in_store: bool,
    in_folder: bool,
}

/// What there is to judge by.
struct Evidence {
    of_store: Option<String>,
    of_folder: Option<String>,
    /// From beside the folder, where versions before 0.2 kept it.
    beside: Option<String>,
    folder_is_there: bool,
    /// Pictures in the folder, and how many of them no row knows.
    pictures: usize,
    unknown: usize,
    /// Rows of takes.
    takes: usize,
    /// Finished takes, and how many of their pictures are not in the folder.
    finished: usize,
    lost: usize,
}

/// Reads what there is, and judges. Changes nothing. `accept_missing`: a person says that what is missing is gone.
pub(crate) async fn judge(
    store: &Store,
    media: &Media,
    accept_missing: bool,
) -> Result<Result<Kinship, Doubt>, JudgeError> {
    let folder_is_there = media.is_there()?;
    let keys = if folder_is_there { media.list()?.keys } else { Vec::new() };
    let present: HashSet<&str> = keys.iter().map(String::as_str).collect();
    let known = store.take_keys().await?;
    let known: HashSet<&str> = known.iter().map(String::as_str).collect();
    let takes = store.take_files().await?;
    let finished: Vec<_> = takes.iter().filter(|take| take.finished).collect();
    let evidence = Evidence {
        of_store: store.setting(IDENTITY).await?,
        of_folder: if folder_is_there { media.identity()? } else { None },
        beside: media.old_identity()?,
        folder_is_there,
        pictures: present.len(),
        unknown: present.iter().filter(|key| !known.contains(*key)).count(),
        takes: known.len(),
        finished: finished.len(),
        lost: finished.iter().filter(|take| !present.contains(take.key.as_str())).count(),
    };
    Ok(evidence.judged(accept_missing))
}

/// Why nothing could be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JudgeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Folder(#[from] io::Error),
}

impl Evidence {
    fn judged(self, accept_missing: bool) -> Result<Kinship, Doubt> {
        let of_folder = self.of_folder.as_ref().or(self.beside.as_ref());
        let acquainted = self.of_store.is_some() && self.of_store == self.of_folder;
        if let (Some(of_store), Some(of_folder)) = (&self.of_store, of_folder)
            && of_store != of_folder
        {
            return Err(Doubt::Strangers(format!("the folder's identity is {of_folder}, the database's {of_store}")));
        }
        if !acquainted && self.pictures > 0 && self.unknown == self.pictures {
            let why = format!("the folder has {} pictures, and the database knows none", self.pictures);
            return Err(Doubt::Strangers(why));
        }
        if !accept_missing {
            self.is_complete(acquainted).map_err(Doubt::Missing)?;
        }
        let identity = self.of_store.clone().or_else(|| of_folder.cloned()).unwrap_or_else(new_key);
        Ok(Kinship { identity, in_store: self.of_store.is_some(), in_folder: self.of_folder.is_some() })
    }

    /// Whether the folder holds what a folder of this database holds; else what is missing.
    fn is_complete(&self, acquainted: bool) -> Result<(), String> {
        let Self { finished, lost, .. } = *self;
        let place = match self.folder_is_there {
            true => "in the folder",
            false => "in the folder, which is missing",
        };
        if finished > 0 && lost == finished {
            return Err(format!("the database has {finished} finished pictures, and none is {place}"));
        }
        if lost > MANY {
            return Err(format!("the database has {finished} finished pictures, and {lost} of them are not {place}"));
        }
        // With an identity of its own the folder is the right one; without, its pictures have to say so. In a folder of
        // an earlier version some of them do; a folder of this version without its identity must have them all.
        let has_pictures_of_ours = self.pictures > self.unknown;
        let was_identified_here = self.of_store.is_some() && self.beside.is_none();
        let is_ours = match was_identified_here {
            true => finished > 0 && lost == 0,
            false => self.takes == 0 || has_pictures_of_ours,
        };
        if acquainted || is_ours {
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

impl Kinship {
    /// Gives both the identity that they have in common. The folder first: a database that has one refuses a folder that
    /// has none.
    pub(crate) async fn seal(&self, store: &Store, media: &Media) -> Result<(), JudgeError> {
        media.make()?;
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

    /// Both are named, and every picture is there.
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
        matches!(evidence.judged(false), Err(Doubt::Missing(_)))
    }

    fn is_stranger(evidence: Evidence) -> bool {
        matches!(evidence.judged(true), Err(Doubt::Strangers(_)))
    }

    #[test]
    fn what_belongs_together_is_let_in() {
        let identity = |evidence: Evidence| evidence.judged(false).expect("one and the same").identity;
        assert_eq!(identity(evidence()), "a");
        // Some pictures were lost, or came without a row.
        assert_eq!(identity(Evidence { lost: MANY, ..evidence() }), "a");
        assert_eq!(identity(Evidence { pictures: 20, unknown: 20, takes: 0, finished: 0, ..evidence() }), "a");
        // A new data folder, and one of which the first start was killed between folder and database.
        let new = || Evidence { of_store: None, of_folder: None, pictures: 0, takes: 0, finished: 0, ..evidence() };
        assert_eq!(identity(new()).len(), 32);
        assert_eq!(identity(Evidence { of_folder: Some("b".into()), ..new() }), "b");
        assert_eq!(identity(Evidence { folder_is_there: false, ..new() }).len(), 32);
        // Versions before 0.2: the identity beside the folder, and before that none.
        assert_eq!(identity(Evidence { of_folder: None, beside: Some("a".into()), ..evidence() }), "a");
        assert_eq!(identity(Evidence { of_folder: None, of_store: None, ..evidence() }).len(), 32);
        // Copied without the hidden file, but with every picture.
        assert_eq!(identity(Evidence { of_folder: None, ..evidence() }), "a");
    }

    #[test]
    fn a_folder_without_its_identity_is_refused_whatever_the_number_of_pictures() {
        for finished in [0, 1, 3, MANY, 200] {
            assert!(is_missing(emptied(finished)), "{finished}");
            assert!(is_missing(Evidence { folder_is_there: false, ..emptied(finished) }), "{finished}");
            emptied(finished).judged(true).expect("a person says that they are gone");
        }
        // An empty place where the disk of an earlier version's folder is mounted: the name beside it proves nothing.
        for finished in [1, MANY, 200] {
            assert!(is_missing(Evidence { beside: Some("a".into()), ..emptied(finished) }), "{finished}");
        }
        let waiting = Evidence { beside: Some("a".into()), takes: 3, ..emptied(0) };
        assert!(is_missing(waiting), "the first previews of waiting tasks are missing");
        // Half of the pictures in a folder without a name.
        assert!(is_missing(Evidence { of_folder: None, lost: 3, ..evidence() }));
    }

    #[test]
    fn a_folder_with_its_identity_and_without_its_pictures_is_refused() {
        for lost in [MANY + 1, 10] {
            assert!(is_missing(Evidence { lost, ..evidence() }), "{lost}");
        }
        assert!(is_missing(Evidence { pictures: 1, takes: 2, finished: 1, lost: 1, ..evidence() }), "the only one");
    }

    #[test]
    fn strangers_are_refused_whatever_a_person_says() {
        assert!(is_stranger(Evidence { of_folder: Some("b".into()), ..evidence() }));
        assert!(is_stranger(Evidence { of_folder: None, beside: Some("b".into()), ..evidence() }));
        // A database that is new, or was emptied, beside pictures.
        let new = Evidence { of_store: None, unknown: 12, takes: 0, finished: 0, ..evidence() };
        assert!(is_stranger(new));
    }
}
