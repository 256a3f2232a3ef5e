//! A folder in memory gives the same result as the same folder on disk.

use crate::common::models;
use checkpoint::{Checkpoint, Error, FolderError, MemoryFolder, OpenOptions, Part, inspect, inspect_memory};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

fn model() -> PathBuf {
    models().join("tiny/diffusers")
}

/// All files of the model except its tokenizers.
fn files() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    collect(&model(), "", &mut files);
    files.retain(|name, _| !name.starts_with("tokenizer"));
    files
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("the model is there") {
        let path = entry.expect("an entry").path();
        let name = format!("{prefix}{}", path.file_name().expect("a name").to_string_lossy());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read(&path).expect("a file"));
        }
    }
}

#[test]
fn it_has_the_same_shapes_plans_and_numbers() {
    let disk = Checkpoint::open(&model()).expect("it opens");
    let memory = Checkpoint::in_memory(&MemoryFolder::new("inside", files())).expect("it opens");
    assert_eq!(memory.path(), Path::new("inside"));
    assert_eq!((memory.layout(), memory.parts()), (disk.layout(), disk.parts()));
    assert_eq!((memory.scheduler(), memory.latent2rgb()), (disk.scheduler(), disk.latent2rgb()));
    assert_eq!(memory.unet().expect("a UNet"), disk.unet().expect("a UNet"));
    for part in disk.parts() {
        let (expected, found) = (disk.plan(part).expect("it plans"), memory.plan(part).expect("it plans"));
        assert_eq!(found, expected);
        for entry in &expected.entries {
            let numbers = |checkpoint: &Checkpoint| checkpoint.read::<f32>(entry).expect("it reads");
            assert!(numbers(&memory) == numbers(&disk), "{part} {}", entry.target);
        }
    }
}

#[test]
fn inspect_prints_the_same() {
    let disk = inspect(&model(), &OpenOptions::default()).expect("a report");
    let memory = inspect_memory(&MemoryFolder::new(model(), files()), &OpenOptions::default()).expect("a report");
    assert_eq!(memory, disk);
}

/// Modifies the folder on disk and in memory, and checks that both give the same error.
fn refused_alike(break_it: impl Fn(&mut BTreeMap<String, Vec<u8>>)) -> String {
    let mut files = files();
    break_it(&mut files);
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in &files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, bytes).expect("written");
    }
    let message = |opened: Result<Checkpoint, Error>| {
        let planned = opened.and_then(|checkpoint| checkpoint.plan(Part::Unet).map(drop));
        planned.expect_err("it is refused").to_string()
    };
    let disk = message(Checkpoint::open(folder.path()));
    assert_eq!(message(Checkpoint::in_memory(&MemoryFolder::new(folder.path(), files))), disk);
    disk
}

#[test]
fn what_is_broken_is_refused_alike() {
    const UNET: &str = "unet/diffusion_pytorch_model.safetensors";
    let cut = refused_alike(|files| {
        let unet = files.get_mut(UNET).expect("a UNet");
        unet.truncate(unet.len() - 1);
    });
    assert!(cut.contains("cut short"), "{cut}");
    let pickle = refused_alike(|files| drop(files.insert(UNET.into(), b"PK\x03\x04 and so on".to_vec())));
    assert!(pickle.contains("pickle"), "{pickle}");
    let empty = refused_alike(|files| drop(files.insert(UNET.into(), Vec::new())));
    assert!(empty.ends_with("is empty"), "{empty}");
    let missing = refused_alike(|files| drop(files.remove(UNET)));
    assert!(missing.ends_with(&format!("has no {UNET}")), "{missing}");
    let no_json = refused_alike(|files| drop(files.insert("unet/config.json".into(), b"[".to_vec())));
    assert!(no_json.contains("unet/config.json"), "{no_json}");
    let no_config = refused_alike(|files| drop(files.remove("vae/config.json")));
    assert!(no_config.ends_with("has no vae/config.json"), "{no_config}");
    let no_index = refused_alike(|files| drop(files.remove("model_index.json")));
    assert!(no_index.contains("not a diffusers folder"), "{no_index}");
    let other = refused_alike(|files| {
        let index = files.get_mut("model_index.json").expect("an index");
        *index = String::from_utf8_lossy(index).replace("StableDiffusionXLPipeline", "FluxPipeline").into_bytes();
    });
    assert!(other.contains("Flux"), "{other}");
}

#[test]
fn a_tokenizer_in_memory_is_refused_not_overlooked() {
    let mut files = files();
    files.insert("tokenizer_2/merges.txt".into(), b"#version: 0.2\n".to_vec());
    match Checkpoint::in_memory(&MemoryFolder::new("inside", files)) {
        Err(Error::Folder { reason: FolderError::Tokenizer { file }, .. }) => {
            assert_eq!(file, "tokenizer_2/merges.txt")
        }
        other => panic!("{other:?}"),
    }
}
