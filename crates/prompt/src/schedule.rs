//! Prompt editing and alternation: one text for each range of steps.
//!
//! - `[from:to:when]` is `from` up to step `when`, then `to`. `[to:when]` adds, `[from::when]` removes.
//! - `when` with a point is a share of the steps (`0.5`, `1.0`), otherwise a step. It is rounded down.
//! - `[a|b|c]` takes its texts in turn, one for each step. A text may be empty.
//! - Both nest, also in emphasis. `\[`, `\:` and `\|` are literal; the backslash stays for the emphasis parser.
//! - Brackets that fit none of these are text. A `|` outside of an alternation, or a backslash at the end of the prompt or
//!   of a line, makes the whole prompt text.
//!
//! Source: `get_learned_conditioning_prompt_schedules` of A1111's `modules/prompt_parser.py`. Its grammar is ambiguous
//! where a bracket is followed by brackets that match nothing, such as `[a:b:0.5]))`: the library that A1111 parses with
//! then reads the first bracket as text if their number is even. Here it is always an edit.

/// A text and the last step that it is for, counted from 1.
pub type Entry = (usize, String);

/// The texts of a prompt over `steps` steps, in order. The last entry ends at `steps`. An alternation has an entry for
/// each step.
pub fn schedule(prompt: &str, steps: usize) -> Vec<Entry> {
    let Some(brackets) = brackets(prompt) else { return vec![(steps, prompt.to_owned())] };
    let mut marks: Vec<Mark> = brackets.iter().flat_map(|bracket| bracket.marks(prompt, steps)).collect();
    // Each mark has a position of its own.
    marks.sort_unstable_by_key(|mark| mark.start);
    let mut ends: Vec<usize> = match marks.iter().any(|mark| matches!(mark.begins, Some(Shown::InTurn { .. }))) {
        true => (1..=steps).collect(),
        false => marks.iter().filter_map(|mark| mark.begins?.change()).filter(|&step| step >= 1).collect(),
    };
    ends.push(steps);
    ends.sort_unstable();
    ends.dedup();
    ends.into_iter().map(|step| (step, at_step(prompt, &marks, step))).collect()
}

/// A bracket that edits or alternates.
struct Bracket {
    start: usize,
    end: usize,
    /// Positions of the colons, or of the bars, directly inside.
    separators: Vec<usize>,
    /// When the edit happens, as written; `None` for an alternation.
    when: Option<(usize, usize)>,
}

/// When the text of a bracket's section is shown.
#[derive(Clone, Copy)]
enum Shown {
    /// Up to and including this step.
    Until(usize),
    /// After this step.
    After(usize),
    /// In one of `of` steps, from 0.
    InTurn { turn: usize, of: usize },
}

impl Shown {
    fn at(self, step: usize) -> bool {
        match self {
            Self::Until(when) => step <= when,
            Self::After(when) => step > when,
            Self::InTurn { turn, of } => (step - 1) % of == turn,
        }
    }

    fn change(self) -> Option<usize> {
        match self {
            Self::Until(when) | Self::After(when) => Some(when),
            Self::InTurn { .. } => None,
        }
    }
}

/// Characters of the prompt that are syntax.
struct Mark {
    start: usize,
    length: usize,
    /// Whether a section ends here.
    ends: bool,
    /// The section that begins here.
    begins: Option<Shown>,
}

impl Bracket {
    fn marks(&self, prompt: &str, steps: usize) -> Vec<Mark> {
        let mark = |start, begins| Mark { start, length: 1, ends: start != self.start, begins };
        let Some((from, to)) = self.when else {
            let of = self.separators.len() + 1;
            let starts = std::iter::once(self.start).chain(self.separators.iter().copied()).enumerate();
            let sections = starts.map(|(turn, start)| mark(start, Some(Shown::InTurn { turn, of })));
            return sections.chain([mark(self.end, None)]).collect();
        };
        let when = step(prompt[from..to].trim(), steps);
        let mut marks = match self.separators[..] {
            [change, _] => vec![mark(self.start, Some(Shown::Until(when))), mark(change, Some(Shown::After(when)))],
            _ => vec![mark(self.start, Some(Shown::After(when)))],
        };
        marks.push(Mark { start: from - 1, length: self.end + 1 - (from - 1), ends: true, begins: None });
        marks
    }
}

/// The step that a number means: 0 for one that is not positive.
fn step(number: &str, steps: usize) -> usize {
    let value: f64 = number.parse().unwrap_or(0.0);
    let value = if number.contains('.') { value * steps as f64 } else { value };
    (value as usize).min(steps)
}

/// An open bracket.
struct Open {
    round: bool,
    start: usize,
    colons: Vec<usize>,
    bars: Vec<usize>,
}

/// The brackets that edit or alternate. `None` if the grammar does not match the prompt.
fn brackets(prompt: &str) -> Option<Vec<Bracket>> {
    let (mut found, mut open) = (Vec::new(), Vec::<Open>::new());
    let (mut bars, mut alternating) = (0, 0);
    let mut chars = prompt.char_indices();
    while let Some((at, c)) = chars.next() {
        match (c, open.last_mut()) {
            ('\\', _) => _ = chars.next().filter(|&(_, escaped)| escaped != '\n')?,
            ('(' | '[', _) => {
                open.push(Open { round: c == '(', start: at, colons: Vec::new(), bars: Vec::new() });
            }
            (':', Some(inside)) => inside.colons.push(at),
            ('|', inside) => {
                bars += 1;
                inside?.bars.push(at);
            }
            (')' | ']', inside) => match inside.and_then(|inside| closed(prompt, inside, at)) {
                Some(bracket) => {
                    open.pop();
                    if let Some(bracket) = bracket {
                        alternating += if bracket.when.is_none() { bracket.separators.len() } else { 0 };
                        found.push(bracket);
                    }
                }
                // The brackets around one that matches nothing match nothing either.
                None => open.clear(),
            },
            _ => {}
        }
    }
    (bars == alternating).then_some(found)
}

/// What closes at `end`: `None` if the grammar does not match it, `Some(None)` for emphasis.
fn closed(prompt: &str, inside: &mut Open, end: usize) -> Option<Option<Bracket>> {
    if inside.round != prompt[end..].starts_with(')') {
        return None;
    }
    let (start, colons, bars) = (inside.start, std::mem::take(&mut inside.colons), std::mem::take(&mut inside.bars));
    match (inside.round, colons[..].last(), bars.is_empty()) {
        (true, _, true) if colons.len() <= 1 => Some(None),
        (false, None, true) => Some(None),
        (false, None, false) => Some(Some(Bracket { start, end, separators: bars, when: None })),
        (false, Some(&last), true) if colons.len() <= 2 => is_number(prompt[last + 1..end].trim())
            .then(|| Some(Bracket { start, end, separators: colons, when: Some((last + 1, end)) })),
        _ => None,
    }
}

/// SIGNED_NUMBER of the Python parser lark.
fn is_number(text: &str) -> bool {
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    text.chars().all(numeric) && text.parse::<f64>().is_ok()
}

fn at_step(prompt: &str, marks: &[Mark], step: usize) -> String {
    let (mut text, mut from) = (String::new(), 0);
    // The sections around the current place, and how many of them are not shown at this step.
    let (mut sections, mut hidden) = (Vec::new(), 0_usize);
    for mark in marks {
        if hidden == 0 {
            text.push_str(&prompt[from..mark.start]);
        }
        if mark.ends && sections.pop() == Some(false) {
            hidden -= 1;
        }
        if let Some(shown) = mark.begins {
            let shown = shown.at(step);
            hidden += usize::from(!shown);
            sections.push(shown);
        }
        from = mark.start + mark.length;
    }
    text + &prompt[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_read_in_linear_time() {
        for deep in [
            format!("{}a|b:0.5{}", "[(".repeat(2500), ")]".repeat(2500)),
            format!("{}x{}", "[".repeat(2500), ":3]".repeat(2500)),
            format!("{}x{}", "[".repeat(2500), "|]".repeat(2500)),
            "[a:b:|]()\\".repeat(1000),
            "[:".repeat(5000),
        ] {
            let texts = schedule(&deep, 1000);
            assert_eq!(texts.last().map(|(until, _)| *until), Some(1000));
        }
    }

    #[test]
    fn numbers_out_of_range_are_the_first_or_the_last_step() {
        for (when, first) in [("1e300", "a"), ("1e999", "a"), ("-3", "b"), ("0", "b"), ("0.0", "b"), ("1e-400", "b")] {
            let texts = schedule(&format!("[a:b:{when}]"), 10);
            assert_eq!(texts, [(10, first.to_owned())], "{when}");
        }
    }
}
