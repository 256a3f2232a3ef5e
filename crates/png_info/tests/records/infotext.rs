//! A1111's text, against its own algorithm (tests/reference/a1111.py) and with random prompts.

use super::{fixture_text, not_applied, of_text, reason, sample};
use png_info::{Infotext, Parameters};
use proptest::prelude::*;
use serde_json::Value;

pub(super) fn parameters() -> Parameters {
    sample::parameters("a red car", "rain")
}

#[test]
fn texts_are_read_as_a1111_reads_them() {
    let fixture: Value = serde_json::from_str(&fixture_text("a1111.json")).expect("JSON");
    let texts = fixture["texts"].as_array().expect("texts");
    assert_eq!(texts.len(), 300);
    for case in texts {
        let Infotext { prompt, negative_prompt, pairs } = Infotext::parse(case["text"].as_str().expect("a text"));
        let ours = serde_json::json!({ "prompt": prompt, "negative_prompt": negative_prompt, "pairs": pairs });
        assert_eq!(ours, case["read"], "{}", case["text"]);
    }
}

#[test]
fn a_quoted_value_is_one_value() {
    let record = of_text(
        "a red car\nNegative prompt: rain\nSteps: 25, Sampler: Euler a, CFG scale: 6.5, Seed: 42, Size: 832x1216, \
         Hires prompt: \"a blue car, Seed: 7, Steps: 99\", Hires upscale: 2, Denoising strength: 0.5, \
         Lora hashes: \"x: 1, y: 2\", Version: v1.10.1",
    );
    let set = &record.settings;
    assert_eq!((set.steps, set.seed, set.prompt.as_deref()), (Some(25), Some(42), Some("a red car")));
    assert_eq!((set.sampler.as_deref(), set.scheduler.as_deref()), (Some("euler_ancestral"), Some("normal")));
    assert_eq!((set.width, set.height, set.strength), (Some(832), Some(1216), None));
    assert_eq!(not_applied(&record), ["Hires prompt", "Hires upscale", "Denoising strength", "Lora hashes"]);
    assert_eq!(record.not_applied[0].value, "a blue car, Seed: 7, Steps: 99");
    assert_eq!(record.not_applied[3].value, "x: 1, y: 2");
}

#[test]
fn empty_prompts_and_last_lines_alone() {
    let last = "Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1, Size: 512x768";
    for (text, prompt, negative) in [
        (last.to_owned(), "", ""),
        (format!("\n{last}"), "", ""),
        (format!("Negative prompt: blurry\n{last}"), "", "blurry"),
        (format!("a cat\n{last}"), "a cat", ""),
        (format!("a cat\r\nNegative prompt: x\r\n{last}\r\n"), "a cat", "x"),
        (format!("a cat\nNegative prompt:\n{last}"), "a cat", ""),
        (format!("Steps: 20, Sampler: no, Seed: 9\n{last}"), "Steps: 20, Sampler: no, Seed: 9", ""),
    ] {
        let set = of_text(&text).settings;
        assert_eq!((set.prompt.as_deref(), set.negative_prompt.as_deref()), (Some(prompt), Some(negative)), "{text}");
        assert_eq!((set.steps, set.seed, set.width, set.height), (Some(20), Some(1), Some(512), Some(768)), "{text}");
        assert_eq!((set.sampler.as_deref(), set.scheduler.as_deref()), (Some("dpmpp_2m"), Some("karras")));
    }
    let few = of_text("a cat\nSteps: 20, Seed: 5");
    assert_eq!(few.settings.prompt.as_deref(), Some("a cat\nSteps: 20, Seed: 5"), "two pairs are no parameters");
    assert_eq!((few.settings.steps, few.settings.seed), (None, None));
    assert_eq!(of_text("only words").settings.prompt.as_deref(), Some("only words"));
}

#[test]
fn lines_of_templates_behind_the_parameters_change_nothing_before_them() {
    let text = "a red car\nNegative prompt: rain\nSteps: 25, Sampler: Euler, CFG scale: 6, Seed: 42, Size: 832x1216\n\
                Template: a {red|blue}\n  car\nNegative Template: rain, Size: 1x1";
    let record = of_text(text);
    let set = &record.settings;
    assert_eq!((set.prompt.as_deref(), set.negative_prompt.as_deref()), (Some("a red car"), Some("rain")));
    assert_eq!((set.steps, set.width, set.height), (Some(25), Some(832), Some(1216)));
    assert_eq!(not_applied(&record), ["Template", "Negative Template"]);
    assert_eq!(record.not_applied[0].value, "a {red|blue}\n  car");
    let in_line = of_text("a car\nSteps: 25, Seed: 42, Size: 832x1216, Template: \"a {red|blue}, car\"");
    assert_eq!((in_line.settings.height, not_applied(&in_line)), (Some(1216), vec!["Template"]));
}

#[test]
fn names_of_samplers_and_schedules_become_ours() {
    for (pairs, sampler, scheduler) in [
        ("Sampler: DPM++ 2M Karras", Some("dpmpp_2m"), Some("karras")),
        ("Sampler: DPM++ 2M, Schedule type: Karras", Some("dpmpp_2m"), Some("karras")),
        ("Sampler: DPM++ 2M, Schedule type: Automatic", Some("dpmpp_2m"), Some("karras")),
        ("Sampler: Euler, Schedule type: Automatic", Some("euler"), Some("normal")),
        ("Sampler: DPM++ 2M Karras, Schedule type: Automatic", Some("dpmpp_2m"), Some("karras")),
        ("Sampler: DPM++ 2M", Some("dpmpp_2m"), Some("normal")),
        ("Sampler: DDIM", Some("ddim"), Some("ddim_uniform")),
        ("Sampler: DPM++ 3M SDE, Schedule type: Exponential", Some("dpmpp_3m_sde"), Some("exponential")),
        ("Sampler: UniPC, Schedule type: SGM Uniform", Some("uni_pc"), Some("sgm_uniform")),
        ("Sampler: Restart, Schedule type: Karras", None, Some("karras")),
        ("Sampler: Euler, Schedule type: Align Your Steps", Some("euler"), None),
        ("Sampler: euler_a karras", Some("euler_ancestral"), Some("karras")),
    ] {
        let record = of_text(&format!("x\nSteps: 20, {pairs}, Seed: 5, CFG scale: 7"));
        let set = &record.settings;
        assert_eq!((set.sampler.as_deref(), set.scheduler.as_deref()), (sampler, scheduler), "{pairs}");
        assert_eq!(record.not_applied.len(), usize::from(sampler.is_none() || scheduler.is_none()), "{pairs}");
    }
}

#[test]
fn what_cannot_be_applied_is_said() {
    let record = of_text(
        "x\nSteps: 20, Sampler: Euler, CFG scale: seven, Seed: -1, Size: big, Model hash: 31e35c80fc, Model: sd_xl_base, \
         VAE: sdxl.vae, Clip skip: 2, Denoising strength: 0.6, RNG: NV, ENSD: 31337, Hires steps: 5, Foo bar: 1, \
         Version: v1.10.1",
    );
    let set = &record.settings;
    assert_eq!((set.cfg_scale, set.seed, set.width, set.model.as_deref()), (None, None, None, Some("sd_xl_base")));
    let expected = [
        "CFG scale",
        "Seed",
        "Size",
        "Model hash",
        "VAE",
        "Clip skip",
        "Denoising strength",
        "RNG",
        "ENSD",
        "Hires steps",
        "Foo bar",
    ];
    assert_eq!(not_applied(&record), expected);
    assert_eq!(reason(&record, "Foo bar"), "there is no such setting here");
    assert_eq!(reason(&record, "CFG scale"), "is not a number");
    assert!(record.not_applied.iter().all(|entry| !entry.value.is_empty() && !entry.reason.is_empty()));
    let from_picture = of_text("x\nSteps: 20, Sampler: Euler, Seed: 5, Denoising strength: 0.6, RNG: CPU");
    assert_eq!(from_picture.settings.strength, Some(0.6));
    assert_eq!(not_applied(&from_picture), ["Denoising strength"]);
}

/// A1111 ends a value at its first comma, so that a decimal comma would become another number.
#[test]
fn a_number_with_something_behind_it_is_said_and_not_cut() {
    for (key, value) in [
        ("CFG scale", "7,5"),
        ("CFG scale", "7.5abc"),
        ("CFG scale", "7, 5"),
        ("CFG rescale", "0,7"),
        ("Denoising strength", "0,75"),
        ("Steps", "20,5"),
        ("Steps", "20 steps"),
        ("Seed", "42,0"),
        ("Seed", "42e1"),
        ("Size", "832x1216,5"),
        ("Size", "832,5x1216"),
        ("Size", "832x1216px"),
        ("Size", "-832x1216"),
    ] {
        let others = [("Sampler", "Euler"), ("Model", "m"), ("Clip skip", "2")];
        let others = others.map(|(key, value)| format!("{key}: {value}")).join(", ");
        for text in [format!("x\n{others}, {key}: {value}"), format!("x\n{key}: {value}, {others}")] {
            let record = of_text(&text);
            let set = serde_json::to_value(&record.settings).expect("JSON");
            for name in ["cfg_scale", "cfg_rescale", "strength", "steps", "seed", "width", "height"] {
                assert!(set.get(name).is_none_or(Value::is_null), "{name} of {text}: {set}");
            }
            let said = record.not_applied.iter().find(|entry| entry.name.eq_ignore_ascii_case(key));
            let said = said.unwrap_or_else(|| panic!("{text}: {record:?}"));
            assert_eq!(said.value.replace(' ', ""), value.replace(' ', ""), "{text}");
            assert_eq!(record.settings.model.as_deref(), Some("m"), "{text}");
        }
    }
    let record = of_text("x\nSteps: 20, about, Sampler: Euler, x: 3, Seed: 42");
    assert_eq!((record.settings.steps, record.settings.seed), (Some(20), Some(42)));
    assert_eq!(reason(&record, "Steps"), "only 20 is applied");
    let record = of_text("x\nSteps: 20, Size: \"(832, 1216)\", CFG scale: 7.5, Seed: 5.0");
    let set = record.settings;
    assert_eq!(
        (set.steps, set.width, set.height, set.cfg_scale, set.seed),
        (Some(20), Some(832), Some(1216), Some(7.5), Some(5))
    );
}

#[test]
fn the_program_is_named() {
    for (pairs, program, version) in [
        ("Version: v1.10.1", "A1111", Some("v1.10.1")),
        ("Version: f2.0.1v1.10.1-previous-665-gae278f79", "Forge", Some("f2.0.1v1.10.1-previous-665-gae278f79")),
        ("Version: ComfyUI", "ComfyUI", Some("ComfyUI")),
        ("Version: Fooocus v2.5.5, Performance: Speed", "Fooocus", Some("v2.5.5")),
        ("App: SD.Next, Version: 6846f4e", "SD.Next", Some("6846f4e")),
        ("Model: x", "A1111", None),
    ] {
        let record = of_text(&format!("x\nSteps: 20, Sampler: Euler, Seed: 5, {pairs}"));
        assert_eq!((record.program.as_str(), record.program_version.as_deref()), (program, version));
    }
}

#[test]
fn json_without_quotes_is_one_value_of_any_key() {
    let record = of_text(
        "x\nSteps: 20, Sampler: Euler, Seed: 5, Hashes: {\"model\": \"abc\", \"lora:x, Seed: 7\": \"d\"}, \
         Hires schedule type: {\"a\": [1, 2, \"Seed: 8, Steps: 1, x\"]}, CFG scale: 7",
    );
    let set = &record.settings;
    assert_eq!((set.steps, set.seed, set.cfg_scale), (Some(20), Some(5), Some(7.0)));
    assert_eq!(not_applied(&record), ["Hashes", "Hires schedule type"]);
    assert_eq!(record.not_applied[0].value, "{\"model\": \"abc\", \"lora:x, Seed: 7\": \"d\"}");
    // As A1111 reads it, where it is no JSON.
    let broken = of_text("x\nSteps: 20, Sampler: Euler, Foo bar: {a, Seed: 5, CFG scale: 7");
    assert_eq!((broken.settings.seed, broken.settings.cfg_scale), (Some(5), Some(7.0)));
}

#[test]
fn marks_line_ends_and_capitals_of_other_programs_are_understood() {
    let last = "Steps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 512x768";
    for text in [
        format!("\u{feff}a cat\nNegative prompt: rain\n{last}"),
        format!("a cat\rNegative prompt: rain\r{last}"),
        format!("a cat\r\nNegative prompt: rain\r\n{last}\r\n"),
        format!("a cat\nnegative prompt: rain\n{last}"),
        format!("a cat\nNegative Prompt: rain\n{last}"),
    ] {
        let set = of_text(&text).settings;
        assert_eq!((set.prompt.as_deref(), set.negative_prompt.as_deref()), (Some("a cat"), Some("rain")), "{text:?}");
        assert_eq!((set.steps, set.seed, set.height), (Some(20), Some(1), Some(768)), "{text:?}");
    }
}

#[test]
fn civitais_json_is_one_value() {
    let resources = r#"[{"type":"checkpoint","modelName":"x, Seed: 9, Steps: 1","weight":1}]"#;
    let record =
        of_text(&format!("x\nSteps: 20, Sampler: Euler, Seed: 5, Civitai resources: {resources}, CFG scale: 7"));
    assert_eq!((record.settings.seed, record.settings.cfg_scale), (Some(5), Some(7.0)));
    assert_eq!((not_applied(&record), record.not_applied[0].value.as_str()), (vec!["Civitai resources"], resources));
}

/// The reference reads the same texts. `python tests/reference/a1111.py --compare` writes and reads random ones.
#[test]
fn awkward_prompts_are_read_back() {
    let fixture: Value = serde_json::from_str(&fixture_text("a1111.json")).expect("JSON");
    for pair in fixture["prompts"].as_array().expect("prompts") {
        let text = |place: usize| pair[place].as_str().expect("a prompt").to_owned();
        read_back(&Parameters { prompt: text(0), negative_prompt: text(1), ..parameters() });
    }
}

/// Written parameters are read back from the text alone, without Emberline's own record.
fn read_back(made: &Parameters) {
    let record = of_text(&made.to_a1111());
    let set = &record.settings;
    assert_eq!(set.prompt.as_deref(), Some(made.prompt.as_str()));
    assert_eq!(set.negative_prompt.as_deref(), Some(made.negative_prompt.as_str()));
    assert_eq!((set.width, set.height, set.steps), (Some(made.width), Some(made.height), Some(made.steps)));
    assert_eq!((set.cfg_scale, set.seed, set.strength), (Some(made.cfg_scale), Some(made.seed), made.strength));
    assert_eq!(set.sampler.as_deref(), Some(made.sampler.as_str()));
    assert_eq!(set.scheduler.as_deref(), Some(made.scheduler.as_str()));
    assert_eq!((record.program.as_str(), record.program_version.as_deref()), ("Emberline", Some("0.1.0")));
}

fn prompt() -> impl Strategy<Value = String> {
    const PIECES: [&str; 17] = [
        "Steps: 20",
        "Negative prompt:",
        "\n",
        "\"",
        "\\",
        ", ",
        ": ",
        "Seed: 7",
        " ",
        "a red car",
        "(b:1.2)",
        "é",
        "日",
        "🐉",
        "\r",
        "Prompt: ",
        "Sampler: Euler a, ",
    ];
    let piece = prop_oneof![prop::sample::select(&PIECES[..]).prop_map(str::to_owned), any::<String>()];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

const SAMPLERS: [&str; 15] = [
    "euler",
    "euler_ancestral",
    "heun",
    "dpm_2",
    "dpm_2_ancestral",
    "lms",
    "dpmpp_2s_ancestral",
    "dpmpp_2m",
    "dpmpp_2m_sde",
    "dpmpp_3m_sde",
    "dpmpp_sde",
    "ddim",
    "uni_pc",
    "lcm",
    "ddpm",
];
const SCHEDULERS: [&str; 8] =
    ["normal", "karras", "exponential", "sgm_uniform", "simple", "ddim_uniform", "beta", "leading"];

proptest! {
    #[test]
    fn random_records_are_read_back(
        (prompt, negative_prompt) in (prompt(), prompt()),
        (width, height, steps) in (1..4096_u32, 1..4096_u32, 1..1001_u32),
        cfg_scale in (0..4000_u16).prop_map(|hundredths| f64::from(hundredths) / 100.0),
        seed in 0..1_u64 << 53,
        sampler in prop::sample::select(&SAMPLERS[..]),
        scheduler in prop::sample::select(&SCHEDULERS[..]),
        strength in prop::option::of((0..=100_u8).prop_map(|hundredths| f64::from(hundredths) / 100.0)),
    ) {
        let made = Parameters {
            prompt, negative_prompt, width, height, steps, cfg_scale, seed, strength,
            sampler: sampler.to_owned(), scheduler: scheduler.to_owned(), ..parameters()
        };
        read_back(&made);
        let file = png_info::encode(&[0; 3], 1, 1, Some(&made)).expect("written");
        let info = png_info::read(&file).expect("read");
        prop_assert_eq!(info.parameters.as_ref(), Some(&made));
        prop_assert_eq!(info.a1111, Some(made.to_a1111()));
        prop_assert_eq!(info.record.map(|record| record.settings.prompt), Some(Some(made.prompt)));
    }
}
