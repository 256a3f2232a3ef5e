//! A prompt that a user changed between two steps, as one text of A1111's prompt language.

use crate::{Plan, evaluations};
use generation::{PromptSyntax, Sampler, Track, TrackChange};

/// The prompt `[a:b:when]` that is read as `texts` in a run of `steps` steps: for each text the number of steps that are done
/// before it is used; the first one's is 0. None where A1111's language cannot say it: a change after the first evaluation of
/// the model, prompts with `AND`, brackets that read as text.
///
/// The result is checked by reading it: each evaluation gets the text that it would have without this function.
pub fn edited(texts: &[(u32, &str)], sampler: Sampler, steps: u32) -> Option<String> {
    let (((_, first), later), each) = (texts.split_first()?, sampler.calls_per_step());
    if later.is_empty() {
        return Some((*first).to_owned());
    }
    let total = evaluations(sampler, steps as usize);
    // A1111 counts evaluations from 0 and uses a text up to and including `when`.
    let when = |done: u32| (done * each).checked_sub(1);
    let nested = texts.iter().rev().try_fold((None::<String>, 0), |(after, changed), (done, text)| {
        let text = match after {
            Some(after) => format!("[{text}:{after}:{}]", when(changed)?),
            None => (*text).to_owned(),
        };
        Some((Some(text), *done))
    });
    let text = nested?.0?;
    let plan = |text: &str| Plan::of_prompt(text, PromptSyntax::A1111, total);
    let (read, plans) = (plan(&text), texts.iter().map(|(done, text)| (done * each, plan(text))).collect::<Vec<_>>());
    let is_same = |evaluation: usize| {
        let wanted = plans.iter().rev().find(|(from, _)| *from as usize <= evaluation).map(|(_, plan)| plan);
        wanted.is_some_and(|wanted| shown(wanted, evaluation) == shown(&read, evaluation))
    };
    (0..total).all(is_same).then_some(text)
}

/// As [`edited`], for a prompt and the changes that a track has of it: `of` is the prompt or the negative prompt.
pub fn edited_by(
    track: &Track,
    of: fn(&TrackChange) -> Option<&String>,
    first: &str,
    sampler: Sampler,
    steps: u32,
) -> Option<String> {
    let changes = track.iter().filter_map(|change| Some((change.step, of(change)?.as_str())));
    let texts: Vec<(u32, &str)> = [(0, first)].into_iter().chain(changes).collect();
    edited(&texts, sampler, steps)
}

/// The weights and texts of a plan's parts in an evaluation.
fn shown(plan: &Plan, evaluation: usize) -> Vec<(f64, &str)> {
    let text = |part: &crate::Part| plan.texts.get(part.text(evaluation)).map_or("", String::as_str);
    plan.parts.iter().map(|part| (part.weight, text(part))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_between_steps_are_edits() {
        let of = |texts: &[(u32, &str)]| edited(texts, Sampler::Euler, 20);
        assert_eq!(of(&[(0, "a car")]).as_deref(), Some("a car"));
        assert_eq!(of(&[(0, "a red car"), (8, "a blue car")]).as_deref(), Some("[a red car:a blue car:7]"));
        let twice = of(&[(0, "a"), (5, "b"), (9, "(c:1.2)")]);
        assert_eq!(twice.as_deref(), Some("[a:[b:(c:1.2):8]:4]"));
        let heun = edited(&[(0, "a"), (5, "b")], Sampler::Heun, 20);
        assert_eq!(heun.as_deref(), Some("[a:b:9]"), "two evaluations a step");
        assert_eq!(of(&[(0, "a [b|c] d"), (9, "e")]).as_deref(), Some("[a [b|c] d:e:8]"));
    }

    #[test]
    fn what_a_prompt_cannot_say_is_none() {
        let of = |texts: &[(u32, &str)]| edited(texts, Sampler::Euler, 20);
        assert_eq!(of(&[]), None);
        // A text is used for the first evaluation and the one after it at least.
        assert_eq!(of(&[(0, "a"), (1, "b")]), None);
        assert_eq!(of(&[(0, "a"), (5, "b AND c")]), None);
        for brackets in ["a ] b", "a [ b", "a : b ]", "a | b", "a \\"] {
            assert_eq!(of(&[(0, "a"), (5, brackets)]), None, "{brackets}");
        }
    }
}
