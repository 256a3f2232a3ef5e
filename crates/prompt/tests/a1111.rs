//! What A1111's own parser makes of a prompt (values exported by `reference/export_a1111.py`) is what this crate makes of
//! it.

use prompt::{Plan, PromptSyntax, composition, networks, parse, schedule};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    prompt: String,
    steps: usize,
    /// Name, weight for the text encoders, weight for the UNet.
    loras: Vec<(String, f64, f64)>,
    /// The weight of each part, and its texts with their last step.
    parts: Vec<(f64, Vec<schedule::Entry>)>,
    /// A text, and its parts with their weights.
    emphasis: Vec<(String, Vec<(String, f64)>)>,
}

fn cases() -> Vec<Case> {
    let cases: Vec<Case> = serde_json::from_str(include_str!("reference/a1111.json")).expect("its own format");
    assert!(cases.len() >= 200);
    cases
}

#[test]
fn tags_parts_and_schedules_are_those_of_a1111() {
    for case in cases() {
        let tags = networks::tags(&case.prompt);
        let loras = tags.iter().filter_map(|tag| match tag.meaning() {
            networks::Meaning::Lora(lora) => Some((lora.name.clone(), lora.text_weight(), lora.unet_weight)),
            _ => None,
        });
        let loras: Vec<_> = loras.collect();
        assert_eq!(loras, case.loras, "{:?}", case.prompt);
        let text = networks::without_tags(&case.prompt);
        let parts: Vec<_> = composition::parts(&text)
            .into_iter()
            .map(|part| (part.weight, schedule::schedule(part.text, case.steps)))
            .collect();
        assert_eq!(parts, case.parts, "{:?}", case.prompt);
    }
}

#[test]
fn a_plan_has_the_text_of_a1111_at_each_evaluation() {
    for case in cases() {
        let plan = Plan::of_prompt(&case.prompt, PromptSyntax::A1111, case.steps);
        for (part, (weight, entries)) in plan.parts.iter().zip(&case.parts) {
            assert_eq!(part.weight, *weight);
            for evaluation in 0..case.steps {
                let (_, text) = entries.iter().find(|(until, _)| evaluation <= *until).expect("the last one");
                assert_eq!(plan.texts[part.text(evaluation)], *text, "{:?} at {evaluation}", case.prompt);
            }
        }
        assert_eq!(plan.parts.len(), case.parts.len());
    }
}

/// Each chunk's characters with their weights.
type Weighted = Vec<Vec<(char, i64)>>;

fn push(chunks: &mut Weighted, text: &str, weight: f64) {
    if let Some(chunk) = chunks.last_mut() {
        chunk.extend(text.chars().map(|c| (c, (weight * 1e4).round() as i64)));
    }
}

#[test]
fn emphasis_is_that_of_a1111() {
    for (text, expected) in cases().into_iter().flat_map(|case| case.emphasis) {
        let (mut there, mut here) = (vec![Vec::new()], vec![Vec::new()]);
        for (text, weight) in &expected {
            match text == "BREAK" && *weight == -1.0 {
                true => there.push(Vec::new()),
                false => push(&mut there, text, *weight),
            }
        }
        for segment in parse(&text, PromptSyntax::A1111) {
            if segment.starts_chunk {
                here.push(Vec::new());
            }
            push(&mut here, &segment.text, segment.weight.into());
        }
        assert_eq!(here, there, "{text:?}");
    }
}
