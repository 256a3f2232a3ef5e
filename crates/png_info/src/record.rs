//! A picture's record, whichever program wrote it.

use crate::{hash::short_hash, names};
use generation::{PartialParameters, limits::SEED};
use serde::Serialize;
use serde_json::{Map, Value};

/// A record with Emberline's names.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(rename = "PictureRecord"))]
pub struct Record {
    /// The program that wrote it: `Emberline`, `A1111`, `Forge`, `ComfyUI`, `InvokeAI`, `NovelAI`, `SwarmUI`,
    /// `Fooocus`, ... Programs that write A1111's format without their own name count as `A1111`.
    pub program: String,
    /// The version of that program, if known.
    pub program_version: Option<String>,
    /// The settings that can be applied.
    pub settings: PartialParameters,
    /// AutoV2 of the model's file: the first 10 digits of its SHA-256. Not for clients: the reader chooses a model by it.
    #[serde(skip)]
    pub model_hash: Option<String>,
    /// Entries that cannot be applied, or are applied with a difference, in the record's order.
    pub not_applied: Vec<NotApplied>,
}

/// An entry of a record that is not applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct NotApplied {
    /// Its name in the record.
    pub name: String,
    /// Its value in the record, shortened.
    pub value: String,
    /// Why it is not applied.
    pub reason: String,
}

/// Maximum number of characters shown of a value that is not applied.
const MAX_VALUE_CHARS: usize = 500;
/// Maximum number of entries that are not applied. One further entry summarises the rest.
const MAX_NOT_APPLIED: usize = 100;

/// Reason for an unknown entry.
pub(crate) const UNKNOWN: &str = "there is no such setting here";
/// Reason for a hash of a model.
pub(crate) const MODEL_BY_NAME: &str = "models are chosen by their names; hashes are not compared";
/// Reason for the strength of an initial picture.
pub(crate) const NO_START: &str = "the picture that it started from is not in the record";
/// Reason for the number of steps that a branch shares with another picture.
pub(crate) const NO_TRACK: &str = "a prompt cannot say what was changed between the steps; the API takes it as track";
pub(crate) const NO_BRANCH: &str = "the picture whose first steps it shares is not in the record";

impl NotApplied {
    /// Creates an entry with its value shortened for display.
    pub fn new(name: impl Into<String>, value: &str, reason: impl Into<String>) -> Self {
        let mut shown: String = value.chars().take(MAX_VALUE_CHARS).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        Self { name: name.into(), value: shown, reason: reason.into() }
    }
}

/// The meaning of an entry in another program's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    Prompt,
    NegativePrompt,
    Steps,
    CfgScale,
    CfgRescale,
    Sampler,
    Scheduler,
    Seed,
    Width,
    Height,
    /// Width and height: `832x1216` or `(832, 1216)`.
    Size,
    Model,
    /// A hash of the model's file.
    ModelHash,
    Strength,
    Version,
    /// Has no effect on the picture.
    Nothing,
    /// Cannot be applied, for this reason.
    Reason(&'static str),
}

impl Means {
    /// Whether its value is one number, or two for a size.
    pub(crate) fn is_number(self) -> bool {
        use Means::{CfgRescale, CfgScale, Height, Seed, Size, Steps, Strength, Width};
        matches!(self, Steps | CfgScale | CfgRescale | Seed | Width | Height | Size | Strength)
    }
}

/// Builds a record entry by entry.
#[derive(Debug)]
pub(crate) struct Reading {
    record: Record,
    sampler: Option<(String, String)>,
    scheduler: Option<(String, String)>,
    left_out: usize,
}

impl Reading {
    pub(crate) fn of(program: &str) -> Self {
        let record = Record { program: program.to_owned(), ..Record::default() };
        Self { record, sampler: None, scheduler: None, left_out: 0 }
    }

    /// The record so far.
    pub(crate) fn record(&mut self) -> &mut Record {
        &mut self.record
    }

    /// Adds an entry that is not applied.
    pub(crate) fn note(&mut self, name: &str, value: &str, reason: impl Into<String>) {
        if self.record.not_applied.len() < MAX_NOT_APPLIED {
            self.record.not_applied.push(NotApplied::new(name, value, reason));
        } else {
            self.left_out += 1;
        }
    }

    /// Adds an entry according to its meaning.
    pub(crate) fn take(&mut self, means: Means, name: &str, value: &str) {
        match means {
            Means::Prompt => self.record.settings.prompt = Some(value.to_owned()),
            Means::NegativePrompt => self.record.settings.negative_prompt = Some(value.to_owned()),
            Means::Steps => self.record.settings.steps = self.whole(name, value),
            Means::Width => self.record.settings.width = self.whole(name, value),
            Means::Height => self.record.settings.height = self.whole(name, value),
            Means::CfgScale => self.record.settings.cfg_scale = self.number(name, value),
            Means::CfgRescale => self.record.settings.cfg_rescale = self.number(name, value),
            Means::Strength => self.record.settings.strength = self.number(name, value),
            Means::Seed => self.take_seed(name, value),
            Means::Size => self.take_size(name, value),
            Means::Sampler => self.sampler = Some((name.to_owned(), value.to_owned())),
            Means::Scheduler => self.scheduler = Some((name.to_owned(), value.to_owned())),
            Means::Model => self.record.settings.model = Some(model_name(value).to_owned()),
            Means::ModelHash => {
                self.record.model_hash = short_hash(value).filter(|hash| hash.len() == 10);
                self.note(name, value, MODEL_BY_NAME);
            }
            Means::Version => self.record.program_version = Some(value.trim().to_owned()),
            Means::Nothing => {}
            Means::Reason(reason) => self.note(name, value, reason),
        }
    }

    /// Adds every entry of an object by its name. Empty ones are ignored; unknown ones are listed as not applied.
    pub(crate) fn take_object(&mut self, object: &Map<String, Value>, means: impl Fn(&str) -> Option<Means>) {
        for (name, value) in object {
            let means = means(name).unwrap_or(Means::Reason(UNKNOWN));
            let is_text = matches!(means, Means::Prompt | Means::NegativePrompt);
            if !is_empty(value) || is_text && !value.is_null() {
                self.take(means, name, &text(value));
            }
        }
    }

    /// Returns the record. A sampler without a schedule gets its program's default schedule.
    pub(crate) fn finish(mut self, default_schedule: impl Fn(&str) -> &'static str) -> Record {
        let sampler = self.sampler.take();
        let known = sampler.as_ref().and_then(|(_, theirs)| names::sampler(theirs));
        if let (Some((name, theirs)), None) = (&sampler, known) {
            self.note(name, theirs, "there is no such sampler here");
        }
        let implied = |default: &dyn Fn(&str) -> &'static str| known.map(|(ours, with)| with.unwrap_or(default(ours)));
        let schedule = match self.scheduler.take() {
            None => implied(&default_schedule),
            Some((_, theirs)) if names::is_automatic(&theirs) => implied(&names::automatic_schedule),
            Some((name, theirs)) => {
                let ours = names::schedule(&theirs);
                if ours.is_none() {
                    self.note(&name, &theirs, "there is no such schedule here");
                }
                ours
            }
        };
        self.record.settings.sampler = known.map(|(ours, _)| ours.to_owned());
        self.record.settings.scheduler = schedule.map(str::to_owned);
        if self.left_out > 0 {
            let more = format!("{} more", self.left_out);
            self.record.not_applied.push(NotApplied::new("…", &more, UNKNOWN));
        }
        self.record
    }

    fn take_seed(&mut self, name: &str, value: &str) {
        let Some(seed) = self.whole::<u64>(name, value) else { return };
        // PyTorch's generator uses only the low 32 bits of the seed.
        let same = seed & u64::from(u32::MAX);
        if seed > SEED {
            self.note(name, value, format!("is too large; {same} is used, which makes the same noise"));
        }
        self.record.settings.seed = Some(if seed > SEED { same } else { seed });
    }

    fn take_size(&mut self, name: &str, value: &str) {
        // What programs write between and around the two numbers: `832x1216`, `832 × 1216`, `(832, 1216)`.
        let is_other = |c: char| !c.is_ascii_digit() && !c.is_whitespace() && !"xX×*,()[]".contains(c);
        let sides: Vec<&str> = value.split(|c: char| !c.is_ascii_digit()).filter(|side| !side.is_empty()).collect();
        match sides[..] {
            [width, height] if !value.contains(is_other) => {
                self.take(Means::Width, name, width);
                self.take(Means::Height, name, height);
            }
            _ => self.note(name, value, "is not a size such as 832x1216"),
        }
    }

    /// Parses a whole number. Python writes some of them with a decimal point.
    fn whole<T: TryFrom<u64>>(&mut self, name: &str, value: &str) -> Option<T> {
        let text = value.trim();
        let text = text.strip_suffix(".0").unwrap_or(text);
        let whole = text.parse::<u64>().ok().and_then(|number| T::try_from(number).ok());
        if whole.is_none() {
            self.note(name, value, "is not a whole number within bounds");
        }
        whole
    }

    fn number(&mut self, name: &str, value: &str) -> Option<f64> {
        let number = value.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        if number.is_none() {
            let is_comma = value.contains(',');
            self.note(name, value, if is_comma { "is not a number; write a decimal point" } else { "is not a number" });
        }
        number
    }
}

/// A model's name without folders and without a weight file's extension.
fn model_name(value: &str) -> &str {
    let name = value.trim().rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = name.rsplit_once('.').filter(|(_, ending)| {
        ["safetensors", "ckpt", "pt", "pth", "bin", "gguf", "sft"]
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    });
    stem.map_or(name, |(stem, _)| stem)
}

/// A value as text: strings as they are, everything else as JSON.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether a value means that something was not used.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty() || text == "None",
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
    }
}
