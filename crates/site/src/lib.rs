//! The front end's files (bundle, style sheet, icons), embedded if `cargo xtask` has built them. The binary then runs
//! from any folder without the sources.

/// One file of the site.
#[derive(Debug)]
pub struct Embedded {
    /// URL path, for example `/pkg/emberline.wasm`.
    pub path: &'static str,
    /// Strong entity tag of the content, including the quotes.
    pub etag: &'static str,
    /// Content of the file.
    pub bytes: &'static [u8],
}

/// All files, sorted by path; empty in a build without a bundle.
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
