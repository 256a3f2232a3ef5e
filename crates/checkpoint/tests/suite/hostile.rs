//! Malicious or broken files: a clear one-line error, quickly and with little memory.

use crate::common::{bytes_of, file_bytes, floats, timed, write_bytes};
use checkpoint::{Checkpoint, Header, HeaderError, MAX_HEADER_BYTES, MAX_TENSORS, OpenOptions, TensorError, inspect};

fn refuse(bytes: &[u8]) -> HeaderError {
    let error = Header::from_bytes(bytes).expect_err("it is refused");
    let message = error.to_string();
    assert!(!message.contains('\n') && message.len() < 2000, "{message}");
    // From disk the error is the same, equally fast, with the path in front.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.safetensors");
    write_bytes(&path, bytes);
    let (elapsed, from_disk) = timed(|| Checkpoint::open(&path).expect_err("it is refused").to_string());
    assert_eq!(from_disk, format!("{}: {message}", path.display()));
    assert!(elapsed.as_secs() < 1, "{elapsed:?}");
    assert_eq!(inspect(&path, &OpenOptions::default()).expect_err("it is refused").to_string(), from_disk);
    error
}

/// A file with this header and 16 bytes of data.
fn headed(header: &str) -> Vec<u8> {
    file_bytes(header, &[0; 16])
}

fn tensor(header: &str) -> TensorError {
    match refuse(&headed(header)) {
        HeaderError::Tensor { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_no_safetensors_file_is_named() {
    let looks = |bytes: &[u8]| match refuse(bytes) {
        HeaderError::NotSafetensors { looks_like } => looks_like,
        other => panic!("{other}"),
    };
    assert_eq!(refuse(b""), HeaderError::Empty);
    assert_eq!(refuse(b"PK\x03\x04\x00\x00\x08\x08\0\0archive/data.pkl"), HeaderError::Pickle);
    assert_eq!(refuse(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M"), HeaderError::Pickle);
    assert_eq!(looks(b"Hello, this is no model.\nIt is a poem."), "a text file");
    assert_eq!(looks("é".as_bytes()), "a text file");
    assert_eq!(looks(b"  <!DOCTYPE html><title>404</title>"), "a web page: the download failed");
    assert!(looks(b"version https://git-lfs.github.com/spec/v1\noid").contains("LFS"));
    assert_eq!(looks(b"\x01\x02\x03"), "shorter than eight bytes");
    assert_eq!(looks(&file_bytes("[1, 2]", &[])), "its header is not JSON");
}

#[test]
fn a_header_of_640_bytes_is_no_pickle() {
    // Its first bytes are 0x80 0x02, like a pickle's.
    let mut header = r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#.to_owned();
    header.push_str(&" ".repeat(640 - header.len()));
    Header::from_bytes(&headed(&header)).expect("it is a good file");
}

#[test]
fn header_lengths_that_cannot_be() {
    for header in [1 << 63, u64::MAX, 1 << 40] {
        let bytes = [&u64::to_le_bytes(header)[..], b"{}"].concat();
        assert_eq!(refuse(&bytes), HeaderError::HeaderBeyondFile { header, file: 10 });
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.safetensors");
    write_bytes(&path, &[&(MAX_HEADER_BYTES + 1).to_le_bytes()[..], b"{"].concat());
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("it opens");
    file.set_len(1 << 33).expect("the file system has sparse files");
    let error = Checkpoint::open(&path).expect_err("it is refused").to_string();
    assert!(error.ends_with("has 100000001 bytes; the format's limit is 100000000"), "{error}");
}

#[test]
fn offsets_that_cannot_be() {
    let entry = |shape: &str, begin: u64, end: u64| {
        format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[{begin},{end}]}}}}"#)
    };
    assert!(matches!(tensor(&entry("[4]", 16, 0)), TensorError::Range { begin: 16, end: 0, .. }));
    assert!(matches!(tensor(&entry("[5]", 0, 20)), TensorError::Truncated { end: 20, data: 16, .. }));
    assert!(matches!(tensor(&entry("[4]", u64::MAX - 15, u64::MAX)), TensorError::Truncated { .. }));
    assert!(matches!(tensor(&entry("[3]", 0, 16)), TensorError::Size { bytes: 16, .. }));
    assert!(matches!(tensor(&entry("[4294967296,4294967296,4294967296]", 0, 16)), TensorError::Size { .. }));
    assert!(matches!(tensor(&entry("[1,1,1,1,1,1,1,1,4]", 0, 16)), TensorError::Rank { rank: 9, .. }));
    assert_eq!(refuse(&headed(&entry("[3]", 0, 12))), HeaderError::Gap { at: 12, bytes: 4 });
    assert_eq!(refuse(&headed(&entry("[3]", 4, 16))), HeaderError::Gap { at: 0, bytes: 4 });
    assert!(matches!(refuse(&headed(&entry("[-4]", 0, 16))), HeaderError::Json { .. }));
    assert!(matches!(refuse(&headed(&entry("[4.0]", 0, 16))), HeaderError::Json { .. }));
    let overlap = r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},
        "b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}"#;
    assert!(matches!(tensor(overlap), TensorError::Range { begin: 8, end: 16, .. }));
    let twice = r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},
        "a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#;
    assert_eq!(refuse(&headed(twice)), HeaderError::Duplicate { name: "a".into() });
    let dtype = r#"{"a":{"dtype":"F128","shape":[1],"data_offsets":[0,16]}}"#;
    assert_eq!(tensor(dtype), TensorError::Dtype { dtype: "F128".into() });
}

#[test]
fn a_file_cut_short_names_a_tensor() {
    let whole = bytes_of(&[floats("a", &[2], &[1.0, 2.0]), floats("b", &[3], &[3.0, 4.0, 5.0])], &[]);
    Header::from_bytes(&whole).expect("it is a good file");
    match refuse(&whole[..whole.len() - 1]) {
        HeaderError::Tensor { name, reason: TensorError::Truncated { .. } } => assert_eq!(name, "b"),
        other => panic!("{other}"),
    }
    assert!(matches!(refuse(&whole[..20]), HeaderError::HeaderBeyondFile { .. }));
}

#[test]
fn json_that_cannot_be() {
    for header in [
        "{",
        "{}}",
        "{\"a\":1}",
        "{\"a\":{\"dtype\":\"F32\"}}",
        "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}",
        "{\"__metadata__\":{\"a\":1}}",
        "{\"__metadata__\":{},\"__metadata__\":{}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0]}}",
    ] {
        assert!(matches!(refuse(&headed(header)), HeaderError::Json { .. }), "{header}");
    }
    assert!(matches!(refuse(&file_bytes("{\"a\":\"", &[0xff, 0xfe])), HeaderError::Json { .. }));
    let deep = format!("{{\"a\":{}", "[".repeat(10_000_000));
    assert!(matches!(refuse(&headed(&deep)), HeaderError::Json { .. }));
    let deep = format!("{{\"a\":{}", "{\"b\":".repeat(2_000_000));
    assert!(matches!(refuse(&headed(&deep)), HeaderError::Json { .. }));
    // A shape with millions of sides is counted, not stored.
    let wide = format!(r#"{{"a":{{"dtype":"F32","shape":[{}1],"data_offsets":[0,16]}}}}"#, "1,".repeat(3_000_000));
    assert!(matches!(tensor(&wide), TensorError::Rank { rank: 3_000_001, .. }));
}

#[test]
fn names_that_would_spoil_a_terminal_are_not_repeated() {
    let error = refuse(&headed(r#"{"a\u001b[2J\nb":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#));
    assert_eq!(error, HeaderError::Name { name: "a?[2J?b".into() });
    let long = "x".repeat(100_000);
    let error = refuse(&headed(&format!(r#"{{"{long}":{{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}}}"#)));
    assert!(error.to_string().len() < 300, "{error}");
}

#[test]
fn a_million_tensors_are_refused_in_bounded_memory() {
    let mut header = String::from("{");
    for i in 0..1_000_000 {
        header.push_str(&format!(r#""{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}},"#));
    }
    header.push_str(r#""z":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#);
    assert_eq!(refuse(&headed(&header)), HeaderError::TooManyTensors { limit: MAX_TENSORS });
}

#[test]
fn shapes_that_no_bytes_bound_do_not_overflow() {
    // With a side of 0 the other sides can be anything.
    let names =
        ["input_blocks.0.0.weight", "out.2.weight", "label_emb.0.0.weight", "input_blocks.1.0.out_layers.3.weight"];
    let entries: Vec<String> = names
        .iter()
        .map(|name| {
            let shape = if name.contains("label") { "[2305843009213693951,0]" } else { "[2305843009213693951,0,3,3]" };
            format!(r#""model.diffusion_model.{name}":{{"dtype":"F32","shape":{shape},"data_offsets":[0,0]}}"#)
        })
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.safetensors");
    write_bytes(&path, &file_bytes(&format!("{{{}}}", entries.join(",")), &[]));
    let error = Checkpoint::open(&path).expect_err("it is refused").to_string();
    assert!(error.contains("supported: sides of 1 to 1048576"), "{error}");
    assert!(!inspect(&path, &OpenOptions::default()).expect("a report").loadable);
}

#[cfg(unix)]
#[test]
fn a_device_or_folder_in_a_files_place_is_refused_at_once() {
    let error = Checkpoint::open(std::path::Path::new("/dev/zero")).expect_err("it is refused").to_string();
    assert!(error.ends_with("is not a regular file"), "{error}");
}
