use super::*;

fn media() -> (tempfile::TempDir, Media) {
    let folder = tempfile::tempdir().expect("a folder");
    let media = Media::open(&folder.path().join("media")).expect("made");
    (folder, media)
}

#[test]
fn a_picture_is_replaced_whole_and_an_open_one_stays_what_it_was() {
    let (_folder, media) = media();
    let key = new_key();
    media.write_preview(&key, b"first").expect("written");
    let mut old = media.picture(&key).expect("there");
    media.write_preview(&key, b"another").expect("written");
    let etag = media.write_final(&key, b"second, longer").expect("written");
    let mut text = String::new();
    old.bytes.read_to_string(&mut text).expect("read");
    assert_eq!((text.as_str(), old.length), ("first", 5));
    let new = media.picture(&key).expect("there");
    assert_eq!((new.etag.as_str(), new.length), (etag.as_str(), 14));
    assert_ne!(old.etag, new.etag);
    assert_eq!(media.list().expect("listed"), Listing { keys: vec![key], unfinished: vec![] });
}

#[test]
fn a_tag_is_of_the_bytes_also_when_nothing_is_remembered() {
    let (_folder, media) = media();
    let key = new_key();
    let etag = media.write_final(&key, b"a picture").expect("written");
    let fresh = Media::open(media.folder()).expect("opened");
    let mut picture = fresh.picture(&key).expect("there");
    assert_eq!(picture.etag, etag);
    let mut bytes = Vec::new();
    picture.bytes.read_to_end(&mut bytes).expect("read from its start");
    assert_eq!(bytes, b"a picture");
    // `printf 'a picture' | sha256sum`
    assert_eq!(etag, "92b2fa58028958317e408bd84ecfa70f");
}

#[test]
fn the_identity_is_inside_the_folder_and_is_no_picture() {
    let (_folder, media) = media();
    fs::write(media.old_identity_path(), "of an earlier version\n").expect("written");
    assert_eq!((media.identity().expect("none"), media.old_identity().expect("one").is_some()), (None, true));
    media.identify("one").expect("identified");
    assert_eq!(media.identity().expect("read").as_deref(), Some("one"));
    assert!(media.identity_path().starts_with(media.folder()) && !media.old_identity_path().exists());
    assert_eq!(media.list().expect("listed"), Listing::default());
    fs::remove_dir_all(media.folder()).expect("removed");
    assert_eq!((media.identity().expect("none"), media.exists().expect("looked")), (None, false));
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_the_folder_and_its_pictures() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, media) = media();
    let (one, other) = (new_key(), new_key());
    media.write_preview(&one, b"a preview").expect("written");
    media.write_preview(&one, b"the next").expect("written");
    media.write_final(&other, b"a picture").expect("written");
    media.identify("one").expect("identified");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(media.folder()), 0o700);
    for path in [media.path(&one).expect("a key"), media.path(&other).expect("a key"), media.identity_path()] {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_write_that_fails_leaves_no_part_of_itself() {
    let (_folder, media) = media();
    let key = new_key();
    // Nothing can be renamed over a folder.
    fs::create_dir(media.path(&key).expect("a key")).expect("made");
    assert!(media.write_preview(&key, b"x").is_err() && media.write_final(&key, b"x").is_err());
    assert_eq!(media.list().expect("listed").unfinished, Vec::<PathBuf>::new());
}

#[test]
fn only_keys_become_paths() {
    let (folder, media) = media();
    fs::write(folder.path().join("secret.png"), "secret").expect("written");
    for name in ["../secret", "..%2fsecret", "/etc/passwd", "", "abc", "ABCDEFABCDEFABCDEF", "0123456789abcde\0"] {
        let error = media.picture(name).expect_err(name);
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "{name}");
        assert!(media.write_preview(name, b"x").is_err() && media.remove(name).is_err(), "{name}");
    }
    assert!(is_key(&new_key()));
}

#[test]
fn what_is_not_ours_is_not_listed() {
    let (_folder, media) = media();
    let key = new_key();
    for name in ["notes.txt", "holiday.png", "x.tmp", &format!("{key}.7.tmp")] {
        fs::write(media.folder().join(name), "x").expect("written");
    }
    let unfinished = vec![media.folder().join(format!("{key}.7.tmp"))];
    assert_eq!(media.list().expect("listed"), Listing { keys: vec![], unfinished });
}

#[test]
fn a_broken_picture_is_distinguished_from_a_complete_one() {
    let (_folder, media) = media();
    let key = new_key();
    assert!(!media.is_whole(&key));
    let png = png_info::encode(&[7; 300], 10, 10, None).expect("a PNG");
    media.write_preview(&key, &png).expect("written");
    assert!(media.is_whole(&key));
    media.write_preview(&key, &png[..png.len() - 20]).expect("written");
    assert!(!media.is_whole(&key));
    media.write_preview(&key, &[]).expect("written");
    assert!(!media.is_whole(&key));
}

#[test]
fn an_identity_that_is_no_text_is_that_of_another_folder() {
    let (_folder, media) = media();
    media.identify("one").expect("identified");
    fs::write(media.identity_path(), b"\xff\xfe\n").expect("written");
    assert_eq!(media.identity().expect("read").as_deref(), Some("\u{fffd}\u{fffd}"));
}

/// Opening a named pipe blocks until a program writes to it: the start would never end.
#[cfg(unix)]
#[test]
fn a_pipe_or_a_folder_with_a_pictures_name_is_no_picture() {
    let (_folder, media) = media();
    let (pipe, folder) = (new_key(), new_key());
    let made = std::process::Command::new("mkfifo").arg(media.path(&pipe).expect("a key")).status().expect("mkfifo");
    assert!(made.success());
    fs::create_dir(media.path(&folder).expect("a key")).expect("made");
    let made = std::process::Command::new("mkfifo").arg(media.identity_path()).status().expect("mkfifo");
    assert!(made.success());
    assert_eq!(media.identity().expect_err("no file").kind(), io::ErrorKind::InvalidInput);
    for reserved in ["0", "1"] {
        let path = media.folder().join(format!("{}.{reserved}.tmp", "0".repeat(32)));
        assert!(std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
    }
    media.probe().expect("it can be written");
    media.identify("one").expect("identified");
    assert_eq!(media.identity().expect("a file").as_deref(), Some("one"));
    for key in [&pipe, &folder] {
        assert!(!media.is_whole(key));
        let errors = [media.read(key).expect_err("no file"), media.picture(key).expect_err("no file")];
        assert!(errors.iter().all(|error| error.kind() == io::ErrorKind::InvalidInput), "{errors:?}");
    }
}
