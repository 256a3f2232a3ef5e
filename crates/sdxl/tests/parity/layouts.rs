//! All layouts and dtypes of one model hold the same parameters.

use crate::fixture::open;
use checkpoint::{Checkpoint, Part};
use std::collections::BTreeMap;

fn parameters(checkpoint: &Checkpoint, part: Part) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let plan = checkpoint.plan(part).unwrap_or_else(|e| panic!("{part}: {e}"));
    let entries = plan.entries.into_iter();
    entries
        .map(|entry| {
            let numbers = checkpoint.read::<f32>(&entry).unwrap_or_else(|e| panic!("{}: {e}", entry.target));
            (entry.target, (entry.shape, numbers))
        })
        .collect()
}

#[test]
fn every_layout_loads_to_identical_parameters() {
    let folder = open("tiny/diffusers");
    for other in ["tiny/diffusers-fp16", "tiny/single-f32.safetensors", "tiny/single-f16.safetensors"] {
        let other = open(other);
        for part in [Part::TextEncoder, Part::TextEncoder2, Part::Unet, Part::Vae] {
            let (expected, found) = (parameters(&folder, part), parameters(&other, part));
            let names = |p: &BTreeMap<String, _>| p.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&found), names(&expected), "{} {part}", other.path().display());
            assert!(found == expected, "{} {part}: another number or shape", other.path().display());
        }
    }
}
