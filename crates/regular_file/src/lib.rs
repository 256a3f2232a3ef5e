//! Opens regular files only.
//!
//! A folder can contain anything under the name of a picture or a model. Opening a named pipe blocks until another process
//! opens its other end, which may never happen, and reading a device such as `/dev/zero` does not end.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// Opens a regular file, or a link to one, for reading.
///
/// # Errors
/// `InvalidInput` for a folder, a named pipe, a socket or a device, and the errors of [`File::open`].
pub fn open(path: &Path) -> io::Result<File> {
    match fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_opened_and_a_folder_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "text").expect("written");
        assert_eq!(io::read_to_string(open(&file).expect("opened")).expect("read"), "text");
        let error = open(folder.path()).expect_err("refused");
        assert_eq!((error.kind(), error.to_string().as_str()), (io::ErrorKind::InvalidInput, "is not a regular file"));
        assert_eq!(open(&folder.path().join("other")).expect_err("missing").kind(), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn sockets_and_devices_are_not_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("picture.png");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        for path in [&socket, Path::new("/dev/zero")] {
            assert_eq!(open(path).expect_err("refused").kind(), io::ErrorKind::InvalidInput, "{}", path.display());
        }
    }
}
