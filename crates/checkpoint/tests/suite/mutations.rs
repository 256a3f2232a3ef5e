//! Valid files with a few bytes changed: a result or an error, never a panic. The fuzz target covers more.

use crate::common::{file_bytes, models, write_bytes};
use checkpoint::{Checkpoint, Header, OpenOptions, Part, inspect};
use proptest::prelude::*;
use std::sync::LazyLock;

static SINGLE: LazyLock<Vec<u8>> =
    LazyLock::new(|| std::fs::read(models().join("tiny/single-f16.safetensors")).expect("the tiny model is there"));

/// One change: the position (as a share of the header), and a byte or piece of JSON to put there.
fn change() -> impl Strategy<Value = (f64, Vec<u8>)> {
    const PIECES: [&str; 14] =
        ["9", "0", "-", "\"", "[", "]", "{", "}", ",", ":", "99999999999999999999", "F16", "weight", "\\u0000"];
    let piece = proptest::sample::select(&PIECES[..]).prop_map(|piece| piece.as_bytes().to_vec());
    (0.0..1.0, prop_oneof![piece, any::<u8>().prop_map(|byte| vec![byte])])
}

fn header_of(bytes: &[u8]) -> &[u8] {
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    &bytes[8..8 + length]
}

/// Opens, plans and reads; any result is accepted.
fn exercise(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.safetensors");
    write_bytes(&path, bytes);
    if let Err(error) = inspect(&path, &OpenOptions::default()) {
        assert!(!error.to_string().contains('\n'));
    }
    let Ok(checkpoint) = Checkpoint::open(&path) else { return };
    for part in Part::ALL {
        match checkpoint.plan(part) {
            Ok(plan) => {
                for entry in &plan.entries {
                    let numbers = checkpoint.read::<f32>(entry).expect("what is planned can be read");
                    assert_eq!(numbers.len() as u64, entry.elements());
                }
            }
            Err(error) => assert!(!error.to_string().contains('\n')),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Header::from_bytes(&bytes);
        let _ = Header::from_bytes(&file_bytes("{", &bytes));
    }

    #[test]
    fn a_changed_header_is_answered(changes in proptest::collection::vec(change(), 1..4)) {
        let mut header = header_of(&SINGLE).to_vec();
        let data = &SINGLE[8 + header.len()..];
        for (place, piece) in changes {
            let at = (place * header.len() as f64) as usize;
            let end = (at + piece.len()).min(header.len());
            header.splice(at..end, piece);
        }
        let bytes = [&(header.len() as u64).to_le_bytes()[..], &header, data].concat();
        exercise(&bytes);
    }

    #[test]
    fn a_tensor_renamed_or_reshaped_is_answered(which in 0usize..2000, name in "[a-z0-9.]{0,40}", side in 0usize..40) {
        let mut header: serde_json::Value = serde_json::from_slice(header_of(&SINGLE)).expect("a good header");
        let entries = header.as_object_mut().expect("an object");
        let names: Vec<String> = entries.keys().filter(|name| *name != "__metadata__").cloned().collect();
        let old = &names[which % names.len()];
        if let Some(mut entry) = entries.remove(old) {
            let first = entry["shape"].as_array_mut().and_then(|shape| shape.first_mut());
            if let (true, Some(first)) = (name.is_empty(), first) {
                *first = side.into();
            }
            entries.insert(if name.is_empty() { old.clone() } else { name }, entry);
        }
        exercise(&file_bytes(&header.to_string(), &SINGLE[8 + header_of(&SINGLE).len()..]));
    }

    #[test]
    fn a_file_cut_anywhere_is_refused(share in 0.0..1.0) {
        let length = (share * SINGLE.len() as f64) as usize;
        prop_assert!(Header::from_bytes(&SINGLE[..length]).is_err());
    }
}
