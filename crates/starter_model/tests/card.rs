//! The weights load, and the card matches the weights and the engine.

use checkpoint::{Part, TokenizerFiles};
use sdxl::{Compute, DeviceChoice, LoadError, Precision, Weights, load_part};
use starter_model::{card, checkpoint};
use std::collections::BTreeSet;

/// Maximum size in the binary, in bytes.
const MOST_PACKED: usize = 14_000_000;

#[test]
fn the_weights_fit_into_the_binary() {
    assert!(starter_model::packed_bytes() <= MOST_PACKED, "{} bytes", starter_model::packed_bytes());
}

#[test]
fn every_part_plans_and_brings_its_previews() {
    let checkpoint = checkpoint().expect("it opens");
    assert_eq!(checkpoint.parts(), Part::ALL);
    for part in Part::ALL {
        let plan = checkpoint.plan(part).unwrap_or_else(|error| panic!("{part}: {error}"));
        assert!(!plan.entries.is_empty(), "{part}");
    }
    assert!(checkpoint.latent2rgb().is_some());
    assert_eq!(checkpoint.tokenizer(Part::TextEncoder), TokenizerFiles::BuiltIn);
    let report = checkpoint::inspect_memory(&starter_model::folder().expect("it inflates"), &Default::default());
    let report = report.expect("a report");
    assert!(report.loadable, "{:?}", report.problems);
}

#[test]
fn large_weights_stay_in_f16_on_the_processor() {
    let checkpoint = checkpoint().expect("it opens");
    let cpu = Compute::open(DeviceChoice::Cpu).expect("always there");
    let shape = |name: &str| {
        let plan = checkpoint.plan(Part::TextEncoder).expect("it plans");
        plan.entries.iter().find(|entry| entry.target == name).expect("it is there").shape.clone()
    };
    // The dtypes that layers get for a large and a small parameter. Loading ends with an error, because the others are
    // not taken.
    let mut kept = Vec::new();
    let load = |mut w: Weights| -> Result<(), LoadError> {
        for name in ["text_model.embeddings.token_embedding.weight", "text_model.embeddings.position_embedding.weight"]
        {
            let &[rows, columns] = shape(name).as_slice() else { panic!("{name} is a matrix") };
            kept.push(w.tensor_to_widen(name, [rows, columns])?.dtype().size());
        }
        Ok(())
    };
    load_part(&checkpoint, Part::TextEncoder, &cpu.device, Precision::F32.dtype(), &mut |_, _| {}, load)
        .expect_err("others are left");
    assert_eq!(kept, [2, 4], "bytes a number");
}

#[test]
fn its_settings_are_some_that_the_engine_has() {
    // The card's type reads only samplers and schedules that there are.
    let params = sdxl::Params::from(sdxl::GenerationParameters::from(card().recommended.clone()));
    params.validate().expect("within bounds");
}

#[test]
fn its_examples_are_made_of_what_it_draws() {
    let card = card();
    assert_eq!(card.name, starter_model::NAME);
    assert!(card.recolourable.iter().all(|object| card.objects.contains(object)));
    let known: BTreeSet<&str> = [&card.objects, &card.colours, &card.backgrounds]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .chain(["a", "an", "on", "background"])
        .collect();
    for prompt in card.example_prompts.iter().chain([&card.wording]) {
        let unknown: Vec<_> = prompt.split(' ').filter(|word| !known.contains(word)).collect();
        assert!(unknown.is_empty(), "{prompt}: {unknown:?}");
    }
    assert!(card.example_prompts.len() >= 4);
}
