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

use crate::words::in_word;
use generation::limits::PROMPT_CHARS;
use std::borrow::Cow;

/// Levels of choices and wildcards inside each other.
const MAX_DEPTH: usize = 24;
/// Choices and wildcards in one expansion.
const MAX_EXPANSIONS: usize = 2000;

/// The generator of the choices: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator for the choices of a task with this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, evenly in 0..1, with 53 bits.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An index below `weights.len()`, as often as its weight.
    fn index(&mut self, weights: &[f64]) -> usize {
        let mut at = self.next() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            if at < *weight {
                return index;
            }
            at -= weight;
        }
        // The sum was rounded down.
        weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0)
    }
}

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
            let nearest = nearest(name, &wildcards.names()).map(|near| format!("; the nearest is `__{near}__`"));
            return Err(format!("has the unknown wildcard `__{name}__`{}", nearest.unwrap_or_default()));
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

/// Start and end of each pair of braces that is in no other pair, in order.
fn braces(text: &str) -> Vec<(usize, usize)> {
    let (mut found, mut open) = (Vec::new(), Vec::new());
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => _ = chars.next(),
            '{' => open.push(at),
            '}' => {
                if let Some(start) = open.pop() {
                    // Pairs inside this one.
                    while found.last().is_some_and(|(inner, _)| *inner > start) {
                        found.pop();
                    }
                    found.push((start, at));
                }
            }
            _ => {}
        }
    }
    found
}

/// The inside of a pair of braces.
struct Choice<'a> {
    least: usize,
    most: usize,
    joined_by: &'a str,
    /// Weight and text of each.
    options: Vec<(f64, &'a str)>,
}

impl<'a> Choice<'a> {
    /// `None` for braces that are text.
    fn parse(inside: &'a str) -> Option<Self> {
        let (count, rest) = match inside.split_once("$$").and_then(|(count, rest)| Some((range(count)?, rest))) {
            Some((count, rest)) => (Some(count), rest),
            None => (None, inside),
        };
        let parts = split(rest);
        let (joined_by, parts) = match (count, parts.first().and_then(|first| first.split_once("$$"))) {
            (Some(_), Some((joiner, first))) => {
                let rest = parts[1..].iter().copied();
                (joiner, std::iter::once(first).chain(rest).collect())
            }
            _ => (", ", parts),
        };
        if count.is_none() && parts.len() < 2 {
            return None;
        }
        let (least, most) = count.unwrap_or((1, 1));
        Some(Self { least, most, joined_by, options: parts.into_iter().map(weighted).collect() })
    }
}

/// `2`, `1-3`, `-3` (from 0) or `2-` (up to all).
fn range(text: &str) -> Option<(usize, usize)> {
    let text = text.trim();
    let number = |text: &str, other: usize| if text.is_empty() { Some(other) } else { text.parse().ok() };
    match text.split_once('-') {
        Some((least, most)) => Some((number(least, 0)?, number(most, usize::MAX)?)).filter(|(a, b)| a <= b),
        None => text.parse().ok().map(|count| (count, count)),
    }
}

/// Splits at each `|` that is in no braces.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0, 0_usize);
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => _ = chars.next(),
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// `0.5::text`; the weight is 1 without one.
fn weighted(text: &str) -> (f64, &str) {
    let weight = text.split_once("::").and_then(|(weight, text)| Some((weight.trim().parse().ok()?, text)));
    weight.filter(|(weight, _): &(f64, &str)| (0.0..=1e6).contains(weight)).unwrap_or((1.0, text))
}

/// The name of the wildcard at the start of `rest`.
fn wildcard<'a>(before: &str, rest: &'a str) -> Option<&'a str> {
    let inside = rest.strip_prefix("__")?;
    let name = &inside[..inside.find("__")?];
    let fits = name.starts_with(char::is_alphanumeric) && name.chars().all(|c| in_word(c) || matches!(c, '-' | '/'));
    (fits && !before.ends_with(in_word)).then_some(name)
}

/// The name with the fewest differing characters, if it has most in common.
pub fn nearest<'a>(name: &str, names: &'a [String]) -> Option<&'a str> {
    let limit = name.chars().count().div_ceil(2);
    let distances = names.iter().map(|other| (distance(name, other), other.as_str()));
    distances.filter(|(distance, _)| *distance <= limit).min().map(|(_, name)| name)
}

/// The edit distance (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    struct Files(BTreeMap<&'static str, Vec<&'static str>>);

    impl Wildcards for Files {
        fn lines(&self, name: &str) -> Result<Option<Vec<String>>, String> {
            Ok(self.0.get(name).map(|lines| lines.iter().map(|&line| line.to_owned()).collect()))
        }

        fn names(&self) -> Vec<String> {
            self.0.keys().map(|&name| name.to_owned()).collect()
        }
    }

    fn files() -> Files {
        Files(BTreeMap::from([
            ("hair/color", vec!["red", "{dark|light} blue"]),
            ("person", vec!["__hair/color__ hair", "0::never"]),
            ("loop", vec!["a __loop__"]),
            ("wide", vec!["__wide2__ __wide2__"]),
            ("wide2", vec![""]),
            ("double", vec!["__double__ __double__"]),
            ("none", vec![]),
        ]))
    }

    fn expanded(text: &str, seed: u64) -> Result<String, String> {
        expand(text, &mut Random::new(seed), Some(&files())).map(Cow::into_owned)
    }

    fn all(text: &str) -> BTreeSet<String> {
        (0..200).map(|seed| expanded(text, seed).expect("expands")).collect()
    }

    fn set(texts: &[&str]) -> BTreeSet<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn every_choice_is_made_and_no_other() {
        assert_eq!(all("a {red|green|} fox"), set(&["a red fox", "a green fox", "a  fox"]));
        assert_eq!(all("{a|{b|c} d}"), set(&["a", "b d", "c d"]));
        assert_eq!(all("{2$$a|b|c}"), set(&["a, b", "b, a", "a, c", "c, a", "b, c", "c, b"]));
        assert_eq!(all("{1-2$$ and $$a|b}"), set(&["a", "b", "a and b", "b and a"]));
        assert_eq!(all("{0::a|b}"), set(&["b"]));
        assert_eq!(all("{5$$a|b}"), set(&["a, b", "b, a"]));
        assert_eq!(all("__person__"), set(&["red hair", "dark blue hair", "light blue hair"]));
        let many = (0..4000).filter(|&seed| expanded("{3::a|b}", seed).expect("expands") == "a").count();
        assert!((2800..3200).contains(&many), "{many} of 4000");
    }

    #[test]
    fn text_stays_as_it_is() {
        for text in
            ["", "{}", "{a}", "{a", "a}", "a|b", "snake_case", "a__b__c", "____", "__x", r"\{a|b\}", "{a} {b", "[a|b]"]
        {
            assert_eq!(expanded(text, 7).as_deref(), Ok(text));
        }
        assert_eq!(expand("__nobody__ {a}", &mut Random::new(1), None).as_deref(), Ok("__nobody__ {a}"));
        assert_eq!(expanded("{x {a|a}|x {a|a}} y}", 1).as_deref(), Ok("x a y}"));
    }

    /// SplitMix64's published first outputs for the seed 1234567.
    #[test]
    fn the_generator_is_splitmix64() {
        let mut random = Random::new(1_234_567);
        let expected = [6_457_827_717_110_365_317_u64, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        for value in expected {
            assert_eq!(random.next(), (value >> 11) as f64 / (1_u64 << 53) as f64);
        }
    }

    #[test]
    fn faults_are_told_and_work_is_bounded() {
        let fault = |text: &str| expanded(text, 3).expect_err("a fault");
        assert_eq!(
            fault("__hair/colour__"),
            "has the unknown wildcard `__hair/colour__`; the nearest is `__hair/color__`"
        );
        assert_eq!(fault("__xyzzy1__"), "has the unknown wildcard `__xyzzy1__`");
        assert_eq!(fault("__none__"), "has the wildcard `__none__`, which has no lines");
        assert!(fault("__loop__").contains("deeper than 24 levels"));
        assert!(fault("__double__").contains("levels"));
        assert!(fault(&"__wide__ ".repeat(900)).contains("2000 choices"));
        assert!(fault(&"x".repeat(PROMPT_CHARS - 1).replacen('x', "{abc|abd}", 1)).contains("10000 characters"));
        assert!(fault(&format!("{}a{}", "{".repeat(40), "|0::c}".repeat(40))).contains("levels"));
    }

    #[test]
    fn braces_are_read_in_linear_time() {
        for text in ["{".repeat(9000), "{|".repeat(4500), "}{".repeat(4500), "_".repeat(9000), "{}".repeat(4500)] {
            assert_eq!(expanded(&text, 1).as_deref(), Ok(&*text));
        }
    }
}
