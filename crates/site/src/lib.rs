//! The front end's files (bundle, style, icons), embedded when `cargo xtask` built them, so that the
//! binary runs from any folder without the sources.

/// One file of the site.
#[derive(Debug)]
pub struct Embedded {
    /// URL path, `/pkg/emberline.wasm`.
    pub path: &'static str,
    /// A strong entity tag of the bytes, quotes included.
    pub etag: &'static str,
    /// The file.
    pub bytes: &'static [u8],
}

/// Every file, sorted by path; empty in a build without a bundle.
pub static FILES: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The file at a URL path.
pub fn find(path: &str) -> Option<&'static Embedded> {
    FILES.binary_search_by(|file| file.path.cmp(path)).ok().map(|at| &FILES[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_found_by_its_path_and_nothing_else_is() {
        for file in FILES {
            assert_eq!(find(file.path).map(|found| found.etag), Some(file.etag));
        }
        for path in ["", "/", "/pkg", "/pkg/../pkg/emberline.js", "/Cargo.toml"] {
            assert!(find(path).is_none(), "{path} must not be served");
        }
    }
}
