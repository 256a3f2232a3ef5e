//! `emberline inspect` for a picture: shows its generation record.

use anyhow::{Context, Result};
use png_info::{Info, Parameters, PartialParameters, Record};
use serde::Serialize;
use std::{
    fmt::{self, Display, Formatter},
    fs::File,
    io::{Read, Write},
    path::Path,
};

/// Maximum size of a file that is read, bytes.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Number of leading bytes that identify the file format.
const HEAD_BYTES: u64 = 12;

/// Whether the file is a picture in a format that can carry a record.
pub fn is_picture(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    read.is_ok() && png_info::is_picture(&head)
}

/// Prints a picture's record.
///
/// # Errors
/// The file cannot be read, or ends before its pixel data.
pub fn run(path: &Path, as_json: bool) -> Result<()> {
    let file = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    anyhow::ensure!(file.len() <= MAX_FILE_BYTES, "{} is larger than {MAX_FILE_BYTES} bytes", path.display());
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let Info { parameters, a1111, record } =
        png_info::read(&bytes).map_err(|error| anyhow::anyhow!("{} {error}", path.display()))?;
    let picture = Picture { path: path.display().to_string(), parameters, a1111, record };
    let text = match as_json {
        true => serde_json::to_string_pretty(&picture).context("the record cannot be written as JSON")?,
        false => picture.to_string(),
    };
    writeln!(std::io::stdout().lock(), "{text}").context("cannot print the record")
}

/// The JSON output, with the fields of `POST /inspect-png`.
#[derive(Serialize)]
struct Picture {
    path: String,
    parameters: Option<Parameters>,
    a1111: Option<String>,
    record: Option<Record>,
}

impl Display for Picture {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        let Some(record) = &self.record else { return write!(f, "\n  a picture without a record of how it was made") };
        let version = record.program_version.as_deref().unwrap_or_default();
        write!(f, "\n  written by    {} {}", record.program, printable(version))?;
        for (name, value) in entries(&record.settings) {
            // Later lines of a prompt are indented to the first.
            write!(f, "\n  {name:14}{}", printable(&value).replace('\n', "\n                "))?;
        }
        if let Some(styles) =
            self.parameters.as_ref().map(|made| made.styles.join(", ")).filter(|text| !text.is_empty())
        {
            write!(f, "\n  styles        {}", printable(&styles))?;
        }
        for entry in &record.not_applied {
            let (name, value) = (printable(&entry.name), printable(&entry.value));
            write!(f, "\n  not applied   {name}: {value} ({})", entry.reason)?;
        }
        Ok(())
    }
}

/// Replaces control characters, which could otherwise overwrite terminal output.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(shown).collect()
}

/// Display name and value of each setting in the record. Width and height form one entry.
fn entries(set: &PartialParameters) -> Vec<(String, String)> {
    let size = set.width.zip(set.height).map(|(width, height)| format!("{width}x{height}"));
    let texts = set.texts().into_iter().chain(set.strength.map(|strength| ("strength", strength.to_string())));
    let named = texts.filter_map(|(field, value)| match field {
        "width" => Some(("size".to_owned(), size.clone()?)),
        "height" => None,
        "negative_prompt" => Some(("negative".to_owned(), value)),
        field => Some((field.replace('_', " "), value)),
    });
    named.filter(|(_, value)| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_cannot_write_over_the_terminal() {
        let settings =
            PartialParameters { prompt: Some("a\u{1b}[2Jcat\nand a dog".to_owned()), ..PartialParameters::default() };
        let record = Record { program: "A1111".to_owned(), settings, ..Record::default() };
        let picture = Picture { path: "x.png".to_owned(), parameters: None, a1111: None, record: Some(record) };
        let expected = "x.png\n  written by    A1111 \n  prompt        a\u{fffd}[2Jcat\n                and a dog";
        assert_eq!(picture.to_string(), expected);
    }
}
