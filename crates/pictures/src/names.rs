//! Names of objects.

/// The object with the identity that the store shares with its database.
pub const IDENTITY: &str = "media.id";
/// The objects of finished pictures and of imports are under this name.
pub const PICTURES: &str = "pictures";

/// The objects of traces and saved states are under this name.
pub const TRACES: &str = "traces";

/// The objects of exported files are under this name.
pub const EXPORTS: &str = "exports";

/// The name of a finished picture: `pictures/<key>/<attempt>-<etag>.png`. Two attempts at a task never write the same object,
/// unless they made the same picture.
pub fn picture_object(key: &str, attempt: u32, etag: &str) -> String {
    format!("{PICTURES}/{key}/{attempt}-{etag}.png")
}

/// The name of a take's trace or saved state: `traces/<key>/<attempt>-<etag>.<kind>`. An attempt of 0 is that of the first steps of
/// a branch.
pub fn trace_object(key: &str, attempt: u32, etag: &str, kind: &str) -> String {
    format!("{TRACES}/{key}/{attempt}-{etag}.{kind}")
}

/// The name of an exported file: `exports/<id>-<etag>.<extension>`.
pub fn export_object(id: i64, etag: &str, extension: &str) -> String {
    format!("{EXPORTS}/{id}-{etag}.{extension}")
}

/// The ETag in an object's name; none in another name.
pub fn etag_in(object: &str) -> Option<&str> {
    let (_, file) = object.rsplit_once('/')?;
    let (stem, _) = file.rsplit_once('.')?;
    let (_, etag) = stem.split_once('-')?;
    (etag.len() == 32 && etag.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))).then_some(etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_in_the_name() {
        let etag = "0123456789abcdef0123456789abcdef";
        assert_eq!(etag_in(&picture_object("k", 2, etag)), Some(etag));
        assert_eq!(etag_in(&trace_object("k", 2, etag, "state")), Some(etag));
        assert_eq!(etag_in(&export_object(12, etag, "gif")), Some(etag));
        for other in ["", "media.id", "pictures/k/2-0123.png", "pictures/k/2-0123456789ABCDEF0123456789ABCDEF.png"] {
            assert_eq!(etag_in(other), None, "{other}");
        }
    }
}
