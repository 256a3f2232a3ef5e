//! Choices and wildcards, expanded before a task is made from a prompt: the common part of A1111's extension Dynamic
//! Prompts.
//!
//! - `{a|b|c}` is one of the texts. `{2$$a|b|c}` is two different ones, joined by ", "; `{1-2$$ and $$a|b|c}` one or two,
//!   joined by " and ". `{3::a|b}` is `a` three times as often as `b`. Texts may be empty, and nest.
//! - `__name__` is a line of a wildcard file, which may contain choices, weights and wildcards again.
//! - Braces without `|` or `$$` are text, and so is a character after a backslash.
//!
//! The same seed gives the same text: choices are drawn in reading order, the prompt's before the negative prompt's, from
//! SplitMix64 ([`Random`]).

mod random;
mod syntax;
#[cfg(test)]
mod tests;

pub use random::Random;

use generation::{limits::PROMPT_CHARS, nearest};
use std::borrow::Cow;
use syntax::{Choice, braces, weighted, wildcard};

/// Levels of choices and wildcards inside each other.
const MAX_DEPTH: usize = 24;
/// Choices and wildcards in one expansion.
const MAX_EXPANSIONS: usize = 2000;

/// Where wildcards come from.
pub trait Wildcards {
    /// The lines of a wildcard without comments and empty lines. `None` if there is none of this name.
    ///
    /// # Errors
    /// A file that cannot be read, as a message for users.
    fn lines(&self, name: &str) -> Result<Option<Vec<String>>, String>;

    /// The names of all wildcards.
    fn names(&self) -> Vec<String>;
}

/// Expands a prompt's choices and wildcards. Without `wildcards`, `__name__` is text.
///
/// # Errors
/// An unknown wildcard (the message names the nearest), one without lines, nesting deeper than 24 levels, more than 2000
/// choices and wildcards, or a text of more than [`PROMPT_CHARS`] characters.
pub fn expand<'a>(
    text: &'a str,
    random: &mut Random,
    wildcards: Option<&dyn Wildcards>,
) -> Result<Cow<'a, str>, String> {
    let has_syntax = text.contains('{') || wildcards.is_some() && text.contains("__");
    if !has_syntax {
        return Ok(Cow::Borrowed(text));
    }
    let mut expansion = Expansion { random, wildcards, left: MAX_EXPANSIONS, out: String::new(), chars: PROMPT_CHARS };
    expansion.expand(text, 0)?;
    Ok(Cow::Owned(expansion.out))
}

struct Expansion<'a> {
    random: &'a mut Random,
    wildcards: Option<&'a dyn Wildcards>,
    left: usize,
    out: String,
    chars: usize,
}

impl Expansion<'_> {
    fn expand(&mut self, text: &str, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("has choices or wildcards inside each other deeper than {MAX_DEPTH} levels"));
        }
        let braces = braces(text);
        let (mut at, mut brace) = (0, 0);
        while let Some(length) = text[at..].find(['\\', '{', '_']) {
            self.push(&text[at..at + length])?;
            at += length;
            while braces.get(brace).is_some_and(|(start, _)| *start < at) {
                brace += 1;
            }
            let rest = &text[at..];
            at += if rest.starts_with('\\') {
                let length = rest.chars().take(2).map(char::len_utf8).sum();
                self.push(&rest[..length])?;
                length
            } else if let Some((_, end)) = braces.get(brace).filter(|(start, _)| *start == at)
                && let Some(choice) = Choice::parse(&text[at + 1..*end])
            {
                self.choose(&choice, depth)?;
                end + 1 - at
            } else if let Some(name) = wildcard(&text[..at], rest).filter(|_| self.wildcards.is_some()) {
                self.draw(name, depth)?;
                name.len() + 4
            } else {
                let run = rest.len() - rest.trim_start_matches('_').len();
                let length = run.max(1);
                self.push(&rest[..length])?;
                length
            };
        }
        self.push(&text[at..])
    }

    fn push(&mut self, text: &str) -> Result<(), String> {
        let chars = text.chars().count();
        self.chars =
            self.chars.checked_sub(chars).ok_or_else(|| format!("expands to more than {PROMPT_CHARS} characters"))?;
        self.out.push_str(text);
        Ok(())
    }

    fn count(&mut self) -> Result<(), String> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| format!("expands to more than {MAX_EXPANSIONS} choices and wildcards"))?;
        Ok(())
    }

    fn choose(&mut self, choice: &Choice<'_>, depth: usize) -> Result<(), String> {
        self.count()?;
        let mut weights: Vec<f64> = choice.options.iter().map(|(weight, _)| *weight).collect();
        let (least, most) = (choice.least.min(weights.len()), choice.most.min(weights.len()));
        let more = (most - least.min(most) + 1) as f64;
        let count = if least < most { least + (self.random.next() * more) as usize } else { most };
        for number in 0..count {
            let index = self.random.index(&weights);
            if weights[index] <= 0.0 {
                break;
            }
            weights[index] = 0.0;
            if number > 0 {
                self.push(choice.joined_by)?;
            }
            self.expand(choice.options[index].1, depth + 1)?;
        }
        Ok(())
    }

    fn draw(&mut self, name: &str, depth: usize) -> Result<(), String> {
        self.count()?;
        let Some(wildcards) = self.wildcards else { return Ok(()) };
        let Some(lines) = wildcards.lines(name)? else {
            let names = wildcards.names();
            let near = nearest(name, names.iter().map(String::as_str));
            let near = near.map(|near| format!("; the nearest is `__{near}__`")).unwrap_or_default();
            return Err(format!("has the unknown wildcard `__{name}__`{near}"));
        };
        let options: Vec<(f64, &str)> = lines.iter().map(|line| weighted(line)).collect();
        let weights: Vec<f64> = options.iter().map(|(weight, _)| *weight).collect();
        if !weights.iter().any(|weight| *weight > 0.0) {
            return Err(format!("has the wildcard `__{name}__`, which has no lines"));
        }
        let index = self.random.index(&weights);
        self.expand(options[index].1, depth + 1)
    }
}
