//! Textual inversions: both encoders' vectors, or the reason why not.

use crate::common::{T, bytes_of, floats, models, write_bytes, zeros};
use checkpoint::{Checkpoint, EmbeddingError, EmbeddingFile, Error, LoraFile, Part};
use std::{path::PathBuf, sync::Arc};

fn read(tensors: &[T]) -> Result<EmbeddingFile, Error> {
    EmbeddingFile::in_memory(PathBuf::from("folder/my cat.safetensors"), Arc::new(bytes_of(tensors, &[])))
}

fn refused(tensors: &[T]) -> EmbeddingError {
    match read(tensors) {
        Err(Error::Embedding { source, .. }) => *source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn vectors_of_both_encoders_are_read_under_either_programs_names() {
    let numbers: Vec<f32> = (0..48).map(|i| i as f32 / 7.0).collect();
    for (first, second) in [("clip_l", "clip_g"), ("text_encoders_0", "text_encoders_1")] {
        let embedding = read(&[floats(second, &[2, 24], &numbers), floats(first, &[2, 16], &numbers[..32])]);
        let embedding = embedding.expect("it reads");
        assert_eq!((embedding.name(), embedding.len(), embedding.is_empty()), ("my cat", 2, false));
        assert_eq!(embedding.vectors(Part::TextEncoder), &numbers[..32]);
        assert_eq!(embedding.vectors(Part::TextEncoder2), numbers);
        assert_eq!((embedding.width(Part::TextEncoder), embedding.width(Part::TextEncoder2)), (16, 24));
        assert!(embedding.vectors(Part::Unet).is_empty());
        embedding.check(&Checkpoint::open(&models().join("tiny/diffusers")).expect("it opens")).expect("it fits");
    }
    let one = read(&[floats("clip_l", &[16], &numbers[..16]), floats("clip_g", &[24], &numbers[..24])]);
    assert_eq!(one.expect("a single vector needs no list").len(), 1);
}

#[test]
fn vectors_of_another_width_do_not_fit_the_checkpoint() {
    let embedding = read(&[zeros("clip_l", "F16", &[3, 768]), zeros("clip_g", "F16", &[3, 1280])]).expect("it reads");
    let tiny = Checkpoint::open(&models().join("tiny/diffusers")).expect("it opens");
    let error = embedding.check(&tiny).expect_err("too wide").to_string();
    assert!(error.contains("768") && error.contains("16") && error.contains("text_encoder"), "{error}");
}

#[test]
fn half_an_embedding_and_other_models_are_refused_with_the_reason() {
    let (l, g) = (|n: usize| zeros("clip_l", "F16", &[n, 768]), |n: usize| zeros("clip_g", "F16", &[n, 1280]));
    assert!(matches!(refused(&[l(2)]), EmbeddingError::OneEncoder { missing: "clip_g", .. }));
    assert!(matches!(refused(&[g(2)]), EmbeddingError::OneEncoder { missing: "clip_l", .. }));
    assert_eq!(refused(&[l(2), g(3)]), EmbeddingError::Lengths { first: 2, second: 3 });
    assert_eq!(refused(&[l(0), g(0)]), EmbeddingError::Count { vectors: 0, limit: 75 });
    assert_eq!(refused(&[l(76), g(76)]), EmbeddingError::Count { vectors: 76, limit: 75 });
    for name in ["emb_params", "<cat>"] {
        let error = refused(&[zeros(name, "F16", &[2, 768])]);
        assert!(matches!(error, EmbeddingError::OtherModel { .. }), "{error}");
    }
    let output = refused(&[l(2), g(2), zeros("clip_l_out", "F16", &[2, 768])]);
    assert_eq!(output, EmbeddingError::Output { tensor: "clip_l_out".into() });
    assert!(matches!(refused(&[l(2), g(2), zeros("more", "F16", &[1])]), EmbeddingError::Unexpected { .. }));
    assert!(matches!(refused(&[l(2), g(2), zeros("text_encoders_0", "F16", &[2, 768])]), EmbeddingError::Twice { .. }));
    assert!(matches!(refused(&[zeros("clip_l", "F16", &[1, 2, 768]), g(1)]), EmbeddingError::Shape { .. }));
    assert!(matches!(refused(&[zeros("clip_l", "I8", &[1, 768]), g(1)]), EmbeddingError::Unreadable { .. }));
    assert!(matches!(refused(&[floats("clip_l", &[1], &[f32::NAN]), g(1)]), EmbeddingError::NotFinite { .. }));
    assert!(matches!(refused(&[zeros("a", "F16", &[3])]), EmbeddingError::NotEmbedding { .. }));
    assert!(matches!(refused(&[]), EmbeddingError::NotEmbedding { .. }));
}

#[test]
fn a_pickle_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in [("a.pt", &b"PK\x03\x04archive/data.pkl"[..]), ("a.bin", b"\x80\x02}q\x00X\x0f\x00\x00\x00")] {
        let path = folder.path().join(name);
        write_bytes(&path, bytes);
        let error = EmbeddingFile::open(&path).expect_err("a pickle").to_string();
        assert!(error.contains("Python pickle") && error.contains("only safetensors is accepted"), "{error}");
    }
}

#[test]
fn embeddings_inside_a_loras_file_have_their_own_names() {
    let tensors = [
        zeros("bundle_emb.two.words.clip_l", "F16", &[1, 16]),
        floats("bundle_emb.cat.clip_l", &[1, 2], &[1.0, 2.0]),
        zeros("bundle_emb.two.words.clip_g", "F16", &[1, 24]),
        floats("bundle_emb.cat.clip_g", &[1, 3], &[3.0, 4.0, 5.0]),
        zeros("lora_unet_x.lora_up.weight", "F16", &[1, 1]),
    ];
    let bytes = Arc::new(bytes_of(&tensors, &[]));
    let lora = LoraFile::in_memory("lora.safetensors".into(), bytes).expect("a header");
    let embeddings = EmbeddingFile::bundled(&lora).expect("they read");
    let names: Vec<&str> = embeddings.iter().map(EmbeddingFile::name).collect();
    assert_eq!(names, ["cat", "two.words"]);
    assert_eq!(embeddings[0].vectors(Part::TextEncoder2), [3.0, 4.0, 5.0]);
}
