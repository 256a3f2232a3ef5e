//! Which texts of a prompt are used when.

use crate::{PromptSyntax, composition, networks::without_tags, schedule::schedule};
use generation::{Sampler, limits};

/// The number of evaluations of the model that A1111 plans a schedule for: two for each step of a sampler that
/// evaluates it twice, otherwise one. Source: `second_order` in A1111's `modules/sd_samplers_kdiffusion.py`.
pub fn evaluations(sampler: Sampler, steps: usize) -> usize {
    use Sampler::{Dpm2, Dpm2Ancestral, Dpmpp2sAncestral, DpmppSde, Heun};
    match sampler {
        Heun | Dpm2 | Dpm2Ancestral | Dpmpp2sAncestral | DpmppSde => 2 * steps,
        _ => steps,
    }
}

/// The texts of a prompt over a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Each text once. The first is the one that the first part starts with.
    pub texts: Vec<String>,
    /// The parts between `AND`s: at least one.
    pub parts: Vec<Part>,
}

/// One part of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The factor for the part's guidance.
    pub weight: f64,
    /// `(until, text)`: until which evaluation of the model a text is used, as an index of [`Plan::texts`].
    entries: Vec<(usize, usize)>,
}

impl Part {
    /// A part with one text.
    pub fn of(text: usize) -> Self {
        Self { weight: 1.0, entries: vec![(0, text)] }
    }

    /// The same part, with texts whose indices are larger by `by`.
    pub fn shifted(&self, by: usize) -> Self {
        Self { weight: self.weight, entries: self.entries.iter().map(|&(until, text)| (until, text + by)).collect() }
    }

    /// The index of the text for an evaluation of the model, counted from 0 in a run.
    ///
    /// As in A1111 (`reconstruct_cond_batch`), whose entries count from 1 and whose evaluations from 0: a text until 3
    /// is used in the four evaluations 0 to 3, and `[a|b]` starts with `a` twice.
    pub fn text(&self, evaluation: usize) -> usize {
        let entry = self.entries.iter().find(|(until, _)| evaluation <= *until).or(self.entries.last());
        entry.map_or(0, |(_, text)| *text)
    }
}

impl Plan {
    /// The plan of a prompt for a run of so many evaluations of the model; see [`evaluations`].
    pub fn of_prompt(prompt: &str, syntax: PromptSyntax, evaluations: usize) -> Self {
        if syntax == PromptSyntax::Plain {
            return Self::of_text(prompt);
        }
        let prompt = without_tags(prompt);
        let parts = composition::parts(&prompt);
        // The white space at the end of a prompt has no tokens. A prompt that is one text stays as it is written.
        Self::of_parts(parts.iter().map(|part| (part.text, part.weight)), evaluations)
    }

    /// The plan of a negative prompt: as in A1111, `AND` and tags are words.
    pub fn of_negative_prompt(prompt: &str, syntax: PromptSyntax, evaluations: usize) -> Self {
        match syntax {
            PromptSyntax::Plain => Self::of_text(prompt),
            PromptSyntax::A1111 => Self::of_parts([(prompt, 1.0)].into_iter(), evaluations),
        }
    }

    /// One text for the whole run.
    pub fn of_text(text: &str) -> Self {
        Self { texts: vec![text.to_owned()], parts: vec![Part::of(0)] }
    }

    fn of_parts<'a>(parts: impl Iterator<Item = (&'a str, f64)>, evaluations: usize) -> Self {
        let mut texts: Vec<String> = Vec::new();
        let parts = parts.map(|(text, weight)| {
            let mut entries: Vec<(usize, usize)> = Vec::new();
            for (until, text) in schedule(text, evaluations) {
                let index = texts.iter().position(|known| *known == text).unwrap_or_else(|| {
                    texts.push(text);
                    texts.len() - 1
                });
                match entries.last_mut() {
                    Some(last) if last.1 == index => last.0 = until,
                    _ => entries.push((until, index)),
                }
            }
            Part { weight, entries }
        });
        let parts = parts.collect();
        Self { texts, parts }
    }

    /// Whether the prompt is one part with the weight 1, so that guidance needs no sum of parts.
    pub fn is_single(&self) -> bool {
        matches!(&self.parts[..], [part] if part.weight == 1.0)
    }

    /// Checks the number of parts and texts and the parts' weights. Returns the error message, or `None` if they are
    /// allowed.
    pub fn error(&self) -> Option<String> {
        let (parts, texts) = (self.parts.len(), self.texts.len());
        if parts > limits::PROMPT_PARTS {
            return Some(format!("must have at most {} parts between ANDs, not {parts}", limits::PROMPT_PARTS));
        }
        if texts > limits::PROMPT_TEXTS {
            let limit = limits::PROMPT_TEXTS;
            return Some(format!("must have at most {limit} different texts over its steps, not {texts}"));
        }
        let bounds = limits::PART_WEIGHT;
        let (from, to) = (bounds.start(), bounds.end());
        let part = self.parts.iter().find(|part| !bounds.contains(&part.weight))?;
        Some(format!("has a part with the weight {}; it must be a number from {from} to {to}", part.weight))
    }
}
