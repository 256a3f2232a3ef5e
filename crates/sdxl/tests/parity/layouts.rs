//! All layouts and dtypes of one model give the same parameters.

use crate::fixture::{Raw, copy_changed, open, path};
use checkpoint::{Checkpoint, Part};
use std::collections::BTreeMap;

const FOUR: [Part; 4] = [Part::TextEncoder, Part::TextEncoder2, Part::Unet, Part::Vae];

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
        for part in FOUR {
            let (expected, found) = (parameters(&folder, part), parameters(&other, part));
            let names = |p: &BTreeMap<String, _>| p.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&found), names(&expected), "{} {part}", other.path().display());
            assert!(found == expected, "{} {part}: another number or shape", other.path().display());
        }
    }
}

/// The tensors of a file in the tiny folder, with `prefix` added to their names.
fn of_folder(file: &str, prefix: &str) -> Vec<Raw> {
    let mut found = Vec::new();
    let copy = tempfile::NamedTempFile::new().expect("a file");
    copy_changed(&path("tiny/diffusers").join(file), copy.path(), |tensors| found.append(tensors));
    found.iter_mut().for_each(|tensor| tensor.name.insert_str(0, prefix));
    found
}

fn replace(tensors: &mut Vec<Raw>, old: &str, new: Vec<Raw>) {
    tensors.retain(|tensor| !tensor.name.starts_with(old));
    tensors.extend(new);
}

fn rename(tensors: &mut [Raw], names: &[(&str, &str)]) {
    for tensor in tensors {
        for (old, new) in names {
            tensor.name = tensor.name.replace(old, new);
        }
    }
}

/// Transposes an f32 matrix.
fn transpose(tensor: &mut Raw) {
    let [rows, columns] = tensor.shape[..] else { panic!("{} is {:?}", tensor.name, tensor.shape) };
    let numbers: Vec<[u8; 4]> = tensor.data.as_chunks().0.to_vec();
    tensor.data = (0..rows * columns).flat_map(|i| numbers[i % rows * columns + i / rows]).collect();
    tensor.shape = vec![columns, rows];
}

/// Names that other programs use in single files.
#[test]
fn other_spellings_of_single_files_load_to_identical_parameters() {
    const SECOND: &str = "conditioner.embedders.1.";
    type Change = fn(&mut Vec<Raw>);
    let changes: [(&str, Change); 8] = [
        ("a linear text_projection", |tensors| {
            let name = format!("{SECOND}model.text_projection");
            let tensor = tensors.iter_mut().find(|tensor| tensor.name == name).expect("it is there");
            transpose(tensor);
            tensor.name.push_str(".weight");
        }),
        ("the second encoder in transformers' names", |tensors| {
            let new = of_folder("text_encoder_2/model.safetensors", &format!("{SECOND}model."));
            replace(tensors, &format!("{SECOND}model."), new);
        }),
        ("the same under `transformer.`", |tensors| {
            let new = of_folder("text_encoder_2/model.safetensors", &format!("{SECOND}transformer."));
            replace(tensors, &format!("{SECOND}model."), new);
        }),
        ("the same with the projection inside", |tensors| {
            let mut new = of_folder("text_encoder_2/model.safetensors", &format!("{SECOND}model."));
            rename(&mut new, &[("model.text_projection", "model.text_model.text_projection")]);
            replace(tensors, &format!("{SECOND}model."), new);
        }),
        ("the VAE in diffusers' names", |tensors| {
            let new = of_folder("vae/diffusion_pytorch_model.safetensors", "first_stage_model.");
            replace(tensors, "first_stage_model.", new);
        }),
        ("the VAE in diffusers' old names", |tensors| {
            let mut new = of_folder("vae/diffusion_pytorch_model.safetensors", "vae.");
            rename(&mut new, &[(".to_q.", ".query."), (".to_k.", ".key."), (".to_v.", ".value.")]);
            rename(&mut new, &[("attentions.0.to_out.0.", "attentions.0.proj_attn.")]);
            replace(tensors, "first_stage_model.", new);
        }),
        ("diffusers' names for the VAE's attention", |tensors| {
            rename(
                tensors,
                &[("attn_1.q.", "attn_1.to_q."), ("attn_1.k.", "attn_1.to_k."), ("attn_1.v.", "attn_1.to_v.")],
            );
            rename(tensors, &[("attn_1.proj_out.", "attn_1.to_out.0."), ("attn_1.norm.", "attn_1.group_norm.")]);
        }),
        ("diffusers' old names for the VAE's attention", |tensors| {
            rename(
                tensors,
                &[("attn_1.q.", "attn_1.query."), ("attn_1.k.", "attn_1.key."), ("attn_1.v.", "attn_1.value.")],
            );
            rename(tensors, &[("attn_1.proj_out.", "attn_1.proj_attn.")]);
        }),
    ];
    let expected = open("tiny/diffusers");
    for (what, change) in changes {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("model.safetensors");
        let mut names = (Vec::new(), Vec::new());
        copy_changed(&path("tiny/single-f32.safetensors"), &file, |tensors| {
            names.0 = tensors.iter().map(|tensor| tensor.name.clone()).collect();
            change(tensors);
            names.1 = tensors.iter().map(|tensor| tensor.name.clone()).collect();
        });
        assert!(names.0 != names.1, "{what}: nothing was changed");
        let found = Checkpoint::open(&file).unwrap_or_else(|e| panic!("{what}: {e}"));
        for part in FOUR {
            assert!(parameters(&found, part) == parameters(&expected, part), "{what}: {part}");
        }
    }
}

/// The file does not say which of the two is meant.
#[test]
fn both_spellings_of_the_projection_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.safetensors");
    copy_changed(&path("tiny/single-f32.safetensors"), &file, |tensors| {
        let place =
            tensors.iter().position(|tensor| tensor.name.ends_with("model.text_projection")).expect("it is there");
        let Raw { name, dtype, shape, data } = &tensors[place];
        let mut double =
            Raw { name: format!("{name}.weight"), dtype: dtype.clone(), shape: shape.clone(), data: data.clone() };
        transpose(&mut double);
        tensors.push(double);
    });
    let error = Checkpoint::open(&file).and_then(|found| found.plan(Part::TextEncoder2)).expect_err("two of one name");
    assert!(error.to_string().contains("unexpected: conditioner.embedders.1.model.text_projection.weight"), "{error}");
}
