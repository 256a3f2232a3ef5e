//! Records of every program in every file format, and malicious ones.

mod containers;
mod hostile;
mod infotext;
mod programs;
mod sample;

use png_info::{Info, Parameters, Record};
use std::path::PathBuf;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn fixture_text(name: &str) -> String {
    String::from_utf8(fixture(name)).expect("UTF-8")
}

/// A PNG with these texts.
fn png(texts: &[(&str, &str)]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 1, 1);
    encoder.set_color(png::ColorType::Rgb);
    for (keyword, text) in texts {
        encoder.add_itxt_chunk((*keyword).to_owned(), (*text).to_owned()).expect("a text");
    }
    encoder.write_header().expect("a header").write_image_data(&[0; 3]).expect("written");
    file
}

fn info(texts: &[(&str, &str)]) -> Info {
    png_info::read(&png(texts)).expect("a PNG")
}

/// The record in a PNG with these texts.
fn record(texts: &[(&str, &str)]) -> Record {
    info(texts).record.expect("a record")
}

/// The record of a text under A1111's keyword.
fn of_text(text: &str) -> Record {
    record(&[("parameters", text)])
}

/// Names of the entries that are not applied.
fn not_applied(record: &Record) -> Vec<&str> {
    record.not_applied.iter().map(|entry| entry.name.as_str()).collect()
}

/// Why an entry is not applied.
fn reason<'a>(record: &'a Record, name: &str) -> &'a str {
    let entry = record.not_applied.iter().find(|entry| entry.name == name);
    entry.map(|entry| entry.reason.as_str()).unwrap_or_else(|| panic!("{name}: {record:?}"))
}
