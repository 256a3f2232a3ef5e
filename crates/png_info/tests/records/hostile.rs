//! Malicious texts: a result in bounded time and memory, never a panic.

use super::info;
use proptest::prelude::*;
use std::{
    fmt::Write,
    time::{Duration, Instant},
};

const KEYWORDS: [&str; 13] = [
    "parameters",
    "emberline",
    "prompt",
    "workflow",
    "invokeai_metadata",
    "sd-metadata",
    "Dream",
    "Comment",
    "Description",
    "Software",
    "XML:com.adobe.xmp",
    "ImageDescription",
    "Steps",
];
const MIB: usize = 1 << 20;

/// Reads a text under every keyword. A text of 1 MiB takes some hundredths of a second.
fn read_everywhere(name: &str, text: &str) {
    let text = &text[..text.floor_char_boundary(MIB - 1)];
    for keyword in KEYWORDS {
        let started = Instant::now();
        let info = info(&[(keyword, text)]);
        let told: usize =
            info.record.iter().flat_map(|record| &record.not_applied).map(|entry| entry.value.len()).sum();
        assert!(told < 300_000, "{name} as {keyword}: {told} bytes");
        assert!(started.elapsed() < Duration::from_secs(10), "{name} as {keyword}: {:?}", started.elapsed());
    }
}

#[test]
fn long_texts_are_answered() {
    for (name, part) in [
        ("keys", "aa: b, "),
        ("open quotes", "aa:\","),
        ("escaped quotes", "aa: \"\\\","),
        ("colons", ":"),
        ("words", "a"),
        ("spaces", " "),
        ("lines", "\n"),
        ("templates", "Steps: 1, Seed: 2, Size: 3\nTemplate: x\n"),
        ("civitai", "Civitai resources: [1, "),
        ("brackets", "["),
        ("objects", "{\"a\":"),
        ("entities", "&#x41;&"),
        ("negative", "Negative prompt: x\n"),
        ("options", "\"x\" -s 5 "),
    ] {
        let text = part.repeat(MIB / part.len());
        read_everywhere(name, &text);
        read_everywhere(name, &format!("{text}\nSteps: 1, Sampler: x, Seed: 2"));
        read_everywhere(name, &format!("<exif:UserComment><rdf:li>{}</rdf:li></exif:UserComment>", &text[..MIB / 2]));
    }
}

/// Graphs with cycles, with exponentially many paths, or that join a long text repeatedly.
#[test]
fn tangled_graphs_are_answered() {
    let sampler = r#""0": {"class_type": "KSampler", "inputs": {"model": ["1", 0], "positive": ["1", 0], "negative": ["1", 0],
        "latent_image": ["1", 0], "seed": ["1", 0], "steps": ["1", 0]}}"#;
    let circle = format!(
        r#"{{{sampler}, "1": {{"class_type": "Reroute", "inputs": {{"x": ["2", 0]}}}},
        "2": {{"class_type": "Reroute", "inputs": {{"x": ["1", 0]}}}}}}"#
    );
    read_everywhere("circle", &circle);
    let mut ways = format!("{{{sampler}");
    for id in 1..2000 {
        let next = id + 1;
        write!(
            ways,
            r#", "{id}": {{"class_type": "ConditioningCombine", "inputs": {{"conditioning_1": ["{next}", 0],
            "conditioning_2": ["{next}", 0], "text": ["{next}", 0], "value": ["{next}", 0], "samples": ["{next}", 0]}}}}"#
        )
        .expect("written");
    }
    ways.push('}');
    read_everywhere("ways", &ways);
    let mut joined =
        format!("{{{sampler}, \"1\": {{\"class_type\": \"Text Concatenate\", \"inputs\": {{\"text\": [\"1\", 0]");
    for place in 0..10_000 {
        write!(joined, ", \"text_{place}\": [\"2\", 0]").expect("written");
    }
    write!(
        joined,
        "}}}}, \"2\": {{\"class_type\": \"Note\", \"inputs\": {{\"text\": \"{}\"}}}}}}",
        "x".repeat(MIB / 2)
    )
    .expect("written");
    read_everywhere("joined", &joined);
    let mut self_linked = format!("{{{sampler}, \"1\": {{\"class_type\": \"Combine\", \"inputs\": {{\"x\": 1");
    for place in 0..30_000 {
        write!(self_linked, ", \"conditioning{place}\": [\"1\", 0]").expect("written");
    }
    self_linked.push_str("}}}");
    read_everywhere("linked to itself", &self_linked);
}

fn texts() -> impl Strategy<Value = String> {
    const PIECES: [&str; 30] = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "\\",
        "\n",
        "NaN",
        "1",
        "-1",
        "1e999",
        "null",
        "\"class_type\"",
        "\"inputs\"",
        "\"KSampler\"",
        "\"prompt\"",
        "Steps: 20, ",
        "Negative prompt:",
        "\"sui_image_params\"",
        "\"uc\"",
        "\"image\"",
        "日",
        "&#",
        "<rdf:li>",
        "<exif:UserComment>",
        "\"nodes\"",
        "\"links\"",
        "Size: 1x2, ",
    ];
    let piece = prop_oneof![4 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// Random JSON with the names that the readers look for, so that it reaches deep into them.
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    const NAMES: [&str; 30] = [
        "class_type",
        "inputs",
        "seed",
        "steps",
        "positive",
        "negative",
        "model",
        "latent_image",
        "text",
        "0",
        "1",
        "2",
        "nodes",
        "links",
        "id",
        "type",
        "widgets_values",
        "sui_image_params",
        "uc",
        "scale",
        "prompt",
        "image",
        "Comment",
        "Software",
        "base_model",
        "resolution",
        "c",
        "v4_prompt",
        "positive_prompt",
        "app_version",
    ];
    const WORDS: [&str; 8] = ["KSampler", "Reroute", "NovelAI", "832x1216", "1", "a cat", "karras", ""];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::sample::select(&WORDS[..]).prop_map(Value::from),
        (prop::sample::select(&NAMES[..]), 0..3_u8).prop_map(|(id, slot)| serde_json::json!([id, slot])),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(&NAMES[..]), inner), 0..8)
                .prop_map(|entries| entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

/// The first bytes of each format.
const HEADS: [&[u8]; 4] = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\xff\xd8\xff\xe1", b"RIFF\0\0\0\0WEBPEXIF", b""];

proptest! {
    #[test]
    fn random_texts_are_answered(keyword in prop::sample::select(&KEYWORDS[..]), text in texts(), other in texts()) {
        info(&[(keyword, &text), ("prompt", &other)]);
    }

    #[test]
    fn random_json_is_answered(keyword in prop::sample::select(&KEYWORDS[..]), value in json()) {
        info(&[(keyword, &value.to_string())]);
    }

    #[test]
    fn random_files_are_answered(head in prop::sample::select(&HEADS[..]), rest in prop::collection::vec(any::<u8>(), 0..400)) {
        _ = png_info::read(&[head, &rest].concat());
    }

    /// A TIFF directory with random entries, in both byte orders.
    #[test]
    fn random_exif_is_answered(is_big in any::<bool>(), rest in prop::collection::vec(any::<u8>(), 0..300)) {
        let head: &[u8] = if is_big { b"MM\0*\0\0\0\x08" } else { b"II*\0\x08\0\0\0" };
        let tiff = [head, &rest].concat();
        let length = u32::try_from(tiff.len()).expect("short").to_le_bytes();
        let file = [b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0EXIF", &length[..], &tiff].concat();
        prop_assert!(png_info::read(&file).is_ok());
    }
}
