//! A single file whose tensors have the names and shapes from the fuzz input: every step up to reading the numbers.
//!
//! Random bytes rarely get past the header, so the input is a list of lines: a name, a dtype's letter and the sides of
//! a shape. The header made from them is always well formed. From `crates/checkpoint`:
//! `cargo +nightly fuzz run open fuzz/seeds`.
#![no_main]

use checkpoint::{Checkpoint, OpenOptions, Part, inspect};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

/// Writing a larger file would take longer than checking it.
const MAX_DATA: u64 = 1 << 17;

fn file_of(input: &str) -> Option<Vec<u8>> {
    let mut entries = Vec::new();
    let mut at = 0u64;
    for line in input.lines() {
        let mut words = line.split(' ');
        let name = words.next()?;
        let (dtype, size) = match words.next()? {
            "h" => ("F16", 2),
            "b" => ("BF16", 2),
            "f" => ("F32", 4),
            "d" => ("F64", 8),
            "i" => ("I64", 8),
            _ => ("F8_E4M3", 1),
        };
        let sides: Vec<u64> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
        let bytes = sides.iter().try_fold(size, |product: u64, &side| product.checked_mul(side))?;
        let end = at.checked_add(bytes).filter(|&end| end <= MAX_DATA)?;
        let name = name.replace(['"', '\\'], "");
        entries.push(format!(r#""{name}":{{"dtype":"{dtype}","shape":{sides:?},"data_offsets":[{at},{end}]}}"#));
        at = end;
    }
    let header = format!("{{{}}}", entries.join(","));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.resize(file.len() + at as usize, 0x3c);
    Some(file)
}

fn read_all(checkpoint: &Checkpoint) {
    for part in checkpoint.parts() {
        match checkpoint.plan(part) {
            Ok(plan) => {
                for entry in &plan.entries {
                    let numbers = checkpoint.read::<f32>(entry).expect("what is planned can be read");
                    assert_eq!(numbers.len() as u64, entry.elements());
                }
            }
            Err(error) => assert!(!error.to_string().contains('\n'), "an error is one line"),
        }
    }
}

fuzz_target!(|input: &str| {
    let Some(bytes) = file_of(input) else { return };
    let path = std::env::temp_dir().join(format!("checkpoint-fuzz-{}.safetensors", std::process::id()));
    let path: &Path = &path;
    std::fs::write(path, bytes).expect("the temporary folder takes a file");
    let options = OpenOptions::default();
    let _ = inspect(path, &options);
    if let Ok(checkpoint) = Checkpoint::open(path) {
        read_all(&checkpoint);
    }
    for part in Part::ALL {
        if let Ok(checkpoint) = Checkpoint::open_part(part, path, &options) {
            read_all(&checkpoint);
        }
    }
});
