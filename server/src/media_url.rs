//! `--media-url`: where the servers of one database keep their pictures.

use crate::data_dir;
use anyhow::{Context, Result, bail};
use engine::Media;
use pictures::{ObjectUrl, Objects, Pictures};
use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

/// Where several servers keep their pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaUrl {
    /// A folder that all of them use. The pictures are in `media` inside it, traces in `traces`, and what did not match at a
    /// start in `lost+found`.
    Folder(PathBuf),
    /// An object store.
    Objects(ObjectUrl),
}

impl MediaUrl {
    /// The objects, with the variables `AWS_…` of the environment.
    ///
    /// # Errors
    /// A database of one server, or wrong variables.
    pub fn objects(url: &ObjectUrl, database_url: &str) -> Result<Objects> {
        if store::sqlite_file(database_url).is_some() {
            bail!(
                "--media-url {url}: an object store needs a PostgreSQL database (--database-url postgres://…); with SQLite the pictures are in a folder"
            );
        }
        Ok(Objects::open(url, std::env::vars())?)
    }

    /// The pictures. `cache_dir` is this process' own folder, which only an object store needs.
    ///
    /// # Errors
    /// A database of one server, wrong variables, or a folder that cannot be used.
    pub fn media(&self, database_url: &str, cache_dir: Option<&Path>) -> Result<Media> {
        match self {
            Self::Folder(folder) => Ok(Media::at(&data_dir::media_in(folder))),
            Self::Objects(url) => {
                let objects = Self::objects(url, database_url)?;
                let cache_dir =
                    cache_dir.context("with --media-url s3://… a worker needs a folder of its own: --cache-dir")?;
                let pictures = Pictures::open(objects, cache_dir)?;
                Ok(Media::of_objects(&data_dir::media_in(cache_dir), pictures))
            }
        }
    }
}

impl FromStr for MediaUrl {
    type Err = String;

    /// A path, `file:///PATH`, or `s3://BUCKET/PREFIX`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if ObjectUrl::is_meant(text) {
            return text.parse().map(Self::Objects);
        }
        let path = text.strip_prefix("file://").unwrap_or(text);
        match path {
            "" => Err("the path of the folder is missing".to_owned()),
            _ if path.contains("://") => {
                Err(format!("{text}: use the path of a folder, file:///PATH, or s3://BUCKET/PREFIX"))
            }
            _ if path != text && !path.starts_with('/') => Err(format!("{text}: after file:// the path begins with /")),
            _ => std::path::absolute(path).map(Self::Folder).map_err(|error| format!("{text}: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_by_its_path_or_as_a_url() {
        let folder = |text: &str| match text.parse::<MediaUrl>() {
            Ok(MediaUrl::Folder(folder)) => Ok(folder),
            Ok(MediaUrl::Objects(url)) => Err(url.to_string()),
            Err(error) => Err(error),
        };
        assert_eq!(folder("/srv/emberline"), Ok(PathBuf::from("/srv/emberline")));
        assert_eq!(folder("file:///srv/emberline"), Ok(PathBuf::from("/srv/emberline")));
        assert!(folder("relative").expect("a path").is_absolute());
        for refused in ["", "file://", "file://srv/emberline", "s3://bucket/emberline"] {
            assert!(folder(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn an_object_store_is_named_by_its_bucket_and_needs_postgresql() {
        let url: MediaUrl = "s3://bucket/emberline".parse().expect("an address");
        let MediaUrl::Objects(objects) = &url else { panic!("{url:?} is no folder") };
        assert_eq!(objects.to_string(), "s3://bucket/emberline");
        for refused in ["s3://", "gs://bucket/emberline"] {
            assert!(refused.parse::<MediaUrl>().is_err(), "{refused}");
        }
        let error = url.media("sqlite:/srv/emberline.db", None).expect_err("SQLite").to_string();
        assert!(error.contains("needs a PostgreSQL database"), "{error}");
        let error = url.media("postgres://db/emberline", None).expect_err("no folder").to_string();
        assert!(error.contains("--cache-dir"), "{error}");
    }
}
