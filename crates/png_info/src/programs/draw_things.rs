//! Draw Things: XMP data whose `exif:UserComment` is a JSON object.

use super::{even_schedule, reason};
use crate::{
    json,
    loras::{lora, number},
    record::{Means, Reading, Record},
};
use serde_json::{Map, Value};

/// The record in XMP data.
pub(crate) fn record(xmp: &str) -> Option<Record> {
    let (_, comment) = xmp.split_once("<exif:UserComment>")?;
    let (comment, _) = comment.split_once("</exif:UserComment>")?;
    let (_, item) = comment.split_once("<rdf:li")?;
    let (_, text) = item.split_once('>')?;
    let (text, _) = text.split_once("</rdf:li>")?;
    of_object(&json::parse_object(&unescaped(text))?)
}

pub(crate) fn of_object(object: &Map<String, Value>) -> Option<Record> {
    let has = |name| object.contains_key(name);
    if !(has("c") && has("uc") && has("steps")) {
        return None;
    }
    let mut reading = Reading::of("Draw Things");
    reading.take_object(object, |name| {
        Some(match name {
            "c" => Means::Prompt,
            "uc" => Means::NegativePrompt,
            "steps" => Means::Steps,
            "scale" => Means::CfgScale,
            "seed" => Means::Seed,
            "size" => Means::Size,
            "sampler" => Means::Sampler,
            "model" => Means::Model,
            "seed_mode" => Means::Reason("the noise is made as PyTorch makes it on the CPU, and may differ"),
            // 1: no initial picture.
            "strength" if object.get(name).and_then(Value::as_f64) == Some(1.0) => Means::Nothing,
            "strength" => Means::Strength,
            "lora" => Means::Nothing,
            // The same settings in another form.
            "v2" => Means::Nothing,
            name => Means::Reason(reason(name)),
        })
    });
    reading.take_loras("lora", object.get("lora"), |item| {
        Some(lora(item.get("model")?.as_str()?, number(item.get("weight")?)?))
    });
    Some(reading.finish(even_schedule))
}

/// Decodes XML's five entities and character references.
fn unescaped(xml: &str) -> String {
    let mut out = String::with_capacity(xml.len());
    let mut rest = xml;
    while let Some((before, behind)) = rest.split_once('&') {
        out.push_str(before);
        // The longest number has ten characters.
        let end = behind.bytes().take(11).position(|byte| byte == b';');
        let known = end.and_then(|end| Some((entity(&behind[..end])?, end)));
        match known {
            Some((c, end)) => {
                out.push(c);
                rest = &behind[end + 1..];
            }
            None => {
                out.push('&');
                rest = behind;
            }
        }
    }
    out + rest
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        name => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    })
}
