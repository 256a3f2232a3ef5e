//! `--media-url`: where the servers of one database keep their pictures.

use std::{path::PathBuf, str::FromStr};

/// A folder that several servers use. The pictures are in `media` inside it, traces in `traces`, and what did not match at a
/// start in `lost+found`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedFolder(pub PathBuf);

impl FromStr for SharedFolder {
    type Err = String;

    /// A path, or `file:///PATH`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_prefix("file://").unwrap_or(text);
        match path {
            "" => Err("the path of the folder is missing".to_owned()),
            _ if path.contains("://") => Err(format!("{text}: use the path of a folder, or file:///PATH")),
            _ if path != text && !path.starts_with('/') => Err(format!("{text}: after file:// the path begins with /")),
            _ => std::path::absolute(path).map(Self).map_err(|error| format!("{text}: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_by_its_path_or_as_a_url() {
        let folder = |text: &str| text.parse::<SharedFolder>().map(|folder| folder.0);
        assert_eq!(folder("/srv/emberline"), Ok(PathBuf::from("/srv/emberline")));
        assert_eq!(folder("file:///srv/emberline"), Ok(PathBuf::from("/srv/emberline")));
        assert!(folder("relative").expect("a path").is_absolute());
        for refused in ["", "file://", "file://srv/emberline", "s3://bucket/emberline"] {
            assert!(folder(refused).is_err(), "{refused}");
        }
    }
}
