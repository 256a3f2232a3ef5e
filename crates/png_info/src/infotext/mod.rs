//! A1111's text: the prompt, lines from `Negative prompt:` on, and a last line of parameters. Forge, SD.Next, Fooocus,
//! ComfyUI's savers, Civitai and stable-diffusion.cpp write it too.

mod loras;
mod pairs;
mod settings;

pub(crate) use loras::{hashes as lora_hashes, with_tags as with_lora_tags};
pub(crate) use pairs::{always_quoted, quoted};
pub(crate) use settings::record;

use pairs::{Pair, is_space, pairs, pairs_with_rest, unquoted};

/// If the last line has fewer pairs it belongs to the prompt, as in A1111.
const LEAST_PAIRS: usize = 3;
const NEGATIVE: &str = "Negative prompt:";
/// Marks the byte order of a text; some editors put it before UTF-8 too.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A parsed text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Infotext {
    /// The prompt; may be empty.
    pub prompt: String,
    /// The negative prompt; may be empty.
    pub negative_prompt: String,
    /// The pairs of the last line in order, values without quotes. Pairs without a value are omitted.
    pub pairs: Vec<(String, String)>,
}

impl Infotext {
    /// Parses a text as A1111 does (`parse_generation_parameters`): lines are trimmed; pairs with the keys `Prompt` and
    /// `Negative prompt` override the lines. Differences: the line of parameters may be followed by the lines that old
    /// versions of the Dynamic Prompts extension add (`Template:`, `Negative Template:`). A byte order mark before the
    /// text is ignored, a carriage return alone ends a line, and `Negative prompt:` may have capitals.
    pub fn parse(text: &str) -> Self {
        Whole::parse(text).text
    }

    /// Whether it is certainly a record: it has a negative prompt, or one of the parameters that every program writes.
    /// A camera's comment may contain pairs too.
    pub(crate) fn is_record(&self) -> bool {
        let is_sure = |key: &str| ["Steps", "Sampler", "Seed", "CFG scale"].contains(&key);
        !self.negative_prompt.is_empty() || self.pairs.iter().any(|(key, _)| is_sure(key))
    }

    fn of_lines(lines: &[&str]) -> Self {
        let mut parsed = Self::default();
        let mut is_negative = false;
        for line in lines {
            let mut line = line.trim_matches(is_space);
            if let Some(rest) = without_label(line) {
                is_negative = true;
                line = rest.trim_matches(is_space);
            }
            let text = if is_negative { &mut parsed.negative_prompt } else { &mut parsed.prompt };
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(line);
        }
        parsed
    }
}

/// A parsed text with what A1111 ignores in it.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    pub text: Infotext,
    /// For each pair, the text between it and the next one, without commas and spaces at its ends. Not empty after a number
    /// with a decimal comma: `7,5` is the value `7` with the rest `5`.
    rests: Vec<String>,
}

impl Whole {
    /// As [`Infotext::parse`].
    pub fn parse(text: &str) -> Self {
        let text = text.trim_start_matches(BYTE_ORDER_MARK);
        let lone_returns = text.contains('\r').then(|| text.replace("\r\n", "\n").replace('\r', "\n"));
        let text = lone_returns.as_deref().unwrap_or(text);
        let mut lines: Vec<&str> = text.trim_matches(is_space).split('\n').collect();
        let templates = split_templates(&mut lines);
        let last = lines.last().map(|last| pairs_with_rest(last)).filter(|pairs| pairs.len() >= LEAST_PAIRS);
        if last.is_some() {
            lines.pop();
        }
        let (mut text, mut rests) = (Infotext::of_lines(&lines), Vec::new());
        for Pair { key, value, rest } in last.into_iter().flatten().filter(|pair| !pair.value.is_empty()) {
            let value = unquoted(value);
            match key {
                "Prompt" => text.prompt = value,
                NEGATIVE_KEY => text.negative_prompt = value,
                _ => {
                    text.pairs.push((key.to_owned(), value));
                    rests.push(rest.trim_matches(|c| c == ',' || is_space(c)).to_owned());
                }
            }
        }
        text.pairs.extend(templates);
        Self { text, rests }
    }

    /// The pairs, each with the text after it.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let rests = self.rests.iter().map(String::as_str).chain(std::iter::repeat(""));
        self.text.pairs.iter().zip(rests).map(|((key, value), rest)| (key.as_str(), value.as_str(), rest))
    }
}

const NEGATIVE_KEY: &str = "Negative prompt";

/// A line without the label of the negative prompt. `None` if it does not start with it.
fn without_label(line: &str) -> Option<&str> {
    let (label, rest) = line.split_at_checked(NEGATIVE.len())?;
    label.eq_ignore_ascii_case(NEGATIVE).then_some(rest)
}

/// Removes the template lines after the line of parameters, and returns them.
fn split_templates(lines: &mut Vec<&str>) -> Vec<(String, String)> {
    const LABELS: [&str; 2] = ["Template:", "Negative Template:"];
    let starts = |line: &str| LABELS.iter().any(|label| line.trim_start_matches(is_space).starts_with(label));
    let is_behind_parameters = |at: &usize| {
        let before = lines[at - 1].trim_start_matches(is_space);
        starts(lines[*at]) && before.starts_with("Steps: ") && pairs(before).len() >= LEAST_PAIRS
    };
    let Some(at) = (1..lines.len()).rev().find(is_behind_parameters) else { return Vec::new() };
    let mut templates: Vec<(String, String)> = Vec::new();
    for line in lines.split_off(at) {
        let label =
            LABELS.iter().find_map(|label| Some((label, line.trim_start_matches(is_space).strip_prefix(label)?)));
        match (label, templates.last_mut()) {
            (Some((label, text)), _) => {
                templates.push((label.trim_end_matches(':').to_owned(), text.trim().to_owned()))
            }
            (None, Some((_, text))) => text.extend(["\n", line]),
            (None, None) => {}
        }
    }
    templates
}
