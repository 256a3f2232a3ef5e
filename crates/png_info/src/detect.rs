//! Detects which program's record a file contains.

use crate::{
    A1111_KEYWORD, Info, Infotext, JSON_KEYWORD, Parameters, Record, comfyui,
    container::{Texts, USER_COMMENT, XMP},
    infotext::{self, Whole},
    json,
    programs::{draw_things, easy_diffusion, fooocus, invokeai, novelai, swarmui},
};

/// The information in a file's texts.
pub(crate) fn info(texts: &Texts) -> Info {
    // Another version's record may not parse; the text next to it is still used.
    let parameters: Option<Parameters> = texts.get(JSON_KEYWORD).and_then(|text| serde_json::from_str(text).ok());
    let own = parameters.as_ref().map(Record::from);
    let a1111 = texts.get(A1111_KEYWORD).map(str::to_owned).or_else(|| in_comments(texts, a1111_text));
    let record = own.or_else(|| foreign(texts));
    Info { parameters, a1111, record }
}

/// The record of another program. Keywords used by only one program come first; A1111's keyword is used by many.
fn foreign(texts: &Texts) -> Option<Record> {
    invokeai::record(texts)
        .or_else(|| novelai::record(texts))
        .or_else(|| texts.get(A1111_KEYWORD).and_then(|text| structured(text).or_else(|| plain(text))))
        .or_else(|| comfyui::record(texts.get("prompt"), texts.get("workflow")))
        .or_else(|| in_comments(texts, |text| structured(text).or_else(|| commented(text))))
        .or_else(|| easy_diffusion::record(texts))
        .or_else(|| texts.get(XMP).and_then(draw_things::record))
}

/// The first match in fields that any program may use for anything.
fn in_comments<T>(texts: &Texts, find: impl Fn(&str) -> Option<T>) -> Option<T> {
    let keywords = [USER_COMMENT, "ImageDescription", "XPComment", "Comment", "Description"];
    keywords.into_iter().filter_map(|keyword| texts.get(keyword)).find_map(find)
}

/// A record that is one JSON object.
fn structured(text: &str) -> Option<Record> {
    let object = json::parse_object(text)?;
    swarmui::record(&object)
        .or_else(|| novelai::of_comment(&object))
        .or_else(|| fooocus::record(&object))
        .or_else(|| invokeai::of_metadata(&object))
        .or_else(|| easy_diffusion::of_object(&object))
        .or_else(|| draw_things::of_object(&object))
        .or_else(|| comfyui::of_object(&object))
}

/// A text under A1111's keyword. JSON of an unknown program is not a prompt.
fn plain(text: &str) -> Option<Record> {
    let is_json = json::parse_object(text).is_some();
    (!is_json).then(|| infotext::record(&Whole::parse(text)))
}

/// A comment is a record only if it has A1111's marks: cameras write comments too.
fn commented(text: &str) -> Option<Record> {
    Some(Whole::parse(text)).filter(|whole| whole.text.is_record()).map(|whole| infotext::record(&whole))
}

fn a1111_text(text: &str) -> Option<String> {
    (json::parse_object(text).is_none() && Infotext::parse(text).is_record()).then(|| text.to_owned())
}
