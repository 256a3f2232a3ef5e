//! Arbitrary bytes as the start of a file: parsing gives an error, or a header that is consistent with the file.
//!
//! From `crates/checkpoint`: `cargo +nightly fuzz run header`.
#![no_main]

use checkpoint::Header;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Header::from_bytes(bytes) {
        Ok(header) => {
            let mut at = None;
            for tensor in &header.tensors {
                assert!(at.is_none_or(|at| at == tensor.offset), "tensors follow each other");
                let end = tensor.offset + tensor.bytes;
                assert!(end <= bytes.len() as u64, "tensors lie inside the file");
                let elements: u64 = tensor.shape.iter().map(|&side| side as u64).product();
                assert_eq!(elements * tensor.dtype.bytes(), tensor.bytes);
                at = Some(end);
            }
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "an error is one line"),
    }
});
