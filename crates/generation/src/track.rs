//! What a user changed while a picture formed.

use crate::{FieldError, Value, limits, rule};
use serde::{Deserialize, Serialize};
use std::ops::Deref;

/// A change of a run between two steps. Absent fields stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TrackChange {
    /// Number of steps that are done when it takes effect.
    #[cfg_attr(feature = "openapi", schemars(range(min = 0, max = limits::STEPS.end() - 1)))]
    pub step: u32,
    /// Prompt of the steps after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(max = limits::PROMPT_CHARS)))]
    pub prompt: Option<String>,
    /// Negative prompt of the steps after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(max = limits::PROMPT_CHARS)))]
    pub negative_prompt: Option<String>,
    /// Guidance scale of the steps after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::CFG_SCALE.start(), max = *limits::CFG_SCALE.end())))]
    pub cfg_scale: Option<f64>,
    /// Number of steps in which the rest of the run is done, at most as many as are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::STEPS.start(), max = *limits::STEPS.end())))]
    pub finish_in: Option<u32>,
}

impl TrackChange {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self { step: self.step, ..Self::default() }
    }

    /// Adds a later change: its fields replace these.
    pub fn add(&mut self, later: Self) {
        let Self { step: _, prompt, negative_prompt, cfg_scale, finish_in } = later;
        self.prompt = prompt.or(self.prompt.take());
        self.negative_prompt = negative_prompt.or(self.negative_prompt.take());
        self.cfg_scale = cfg_scale.or(self.cfg_scale);
        self.finish_in = finish_in.or(self.finish_in);
    }

    /// Errors of its fields, by name.
    pub fn errors(&self) -> Vec<FieldError> {
        let values = [
            ("prompt", self.prompt.as_deref().map(Value::Text)),
            ("negative_prompt", self.negative_prompt.as_deref().map(Value::Text)),
            ("cfg_scale", self.cfg_scale.map(Value::Number)),
        ];
        let errors = values.into_iter().filter_map(|(field, value)| rule(field)?.error(field, value?));
        let finish = self.finish_in.filter(|steps| !limits::STEPS.contains(steps)).map(|steps| {
            let (from, to) = (limits::STEPS.start(), limits::STEPS.end());
            FieldError {
                field: "finish_in",
                message: format!("must be a whole number from {from} to {to}, not {steps}"),
            }
        });
        errors.chain(finish).collect()
    }
}

/// The changes of a run, in the order of their steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Track(pub Vec<TrackChange>);

impl Deref for Track {
    type Target = [TrackChange];

    fn deref(&self) -> &[TrackChange] {
        &self.0
    }
}

impl Track {
    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a change at a step that is not before the last one's. Two at the same step become one.
    pub fn add(&mut self, change: TrackChange) {
        match self.0.last_mut().filter(|last| last.step >= change.step) {
            Some(last) => last.add(change),
            None => self.0.push(change),
        }
    }

    /// What holds in the step after `done` steps: the changes up to there as one.
    pub fn at(&self, done: u32) -> TrackChange {
        let mut all = TrackChange { step: done, ..TrackChange::default() };
        self.iter().filter(|change| change.step <= done).for_each(|change| all.add(change.clone()));
        all
    }

    /// The number of done steps at the next change after `done` steps.
    pub fn next_after(&self, done: u32) -> Option<u32> {
        self.iter().map(|change| change.step).find(|step| *step > done)
    }

    /// The steps of the whole run, of which `planned` were planned at first.
    pub fn total_steps(&self, planned: u32) -> u32 {
        self.finishes().fold(planned, |total, (done, rest)| total.min(done.saturating_add(rest)))
    }

    /// The changes of the number of steps: how many are done, and how many follow at most.
    pub fn finishes(&self) -> impl Iterator<Item = (u32, u32)> {
        self.iter().filter_map(|change| Some((change.step, change.finish_in?)))
    }

    /// What is wrong with it: too many changes, or steps that do not rise; otherwise the first error of a change.
    pub fn error(&self) -> Option<String> {
        if self.len() > limits::TRACK_CHANGES {
            return Some(format!("must have at most {} changes, not {}", limits::TRACK_CHANGES, self.len()));
        }
        if self.finishes().any(|(done, _)| done == 0) {
            return Some("must not have a finish_in before the first step: it is the number of steps".to_owned());
        }
        if self.windows(2).any(|pair| pair[0].step >= pair[1].step) {
            return Some("must have changes whose steps rise".to_owned());
        }
        let named = |change: &TrackChange| {
            let error = change.errors().into_iter().next()?;
            Some(format!("has at step {} a {} that {}", change.step, error.field, error.message))
        };
        self.iter().find_map(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(step: u32, text: &str) -> TrackChange {
        TrackChange { step, prompt: Some(text.into()), ..TrackChange::default() }
    }

    #[test]
    fn changes_hold_from_their_step_on_and_those_of_one_step_are_one() {
        let mut track = Track::default();
        track.add(prompt(3, "a"));
        track.add(TrackChange { step: 3, cfg_scale: Some(2.0), ..TrackChange::default() });
        track.add(TrackChange { step: 5, finish_in: Some(4), ..TrackChange::default() });
        track.add(prompt(7, "b"));
        assert_eq!(track.len(), 3);
        assert_eq!(track.at(2), TrackChange { step: 2, ..TrackChange::default() });
        assert_eq!(track.at(6), TrackChange { step: 6, cfg_scale: Some(2.0), finish_in: Some(4), ..prompt(6, "a") });
        assert_eq!((track.at(7).prompt.as_deref(), track.at(7).cfg_scale), (Some("b"), Some(2.0)));
        assert_eq!([0, 2, 3, 5, 7].map(|done| track.next_after(done)), [Some(3), Some(3), Some(5), Some(7), None]);
        assert_eq!((track.total_steps(30), track.total_steps(8), track.error()), (9, 8, None));
    }

    #[test]
    fn what_cannot_be_replayed_is_named() {
        let error = |changes: Vec<TrackChange>| Track(changes).error().expect("an error");
        assert_eq!(error(vec![prompt(3, "a"), prompt(3, "b")]), "must have changes whose steps rise");
        let many = (0..=limits::TRACK_CHANGES as u32).map(|step| prompt(step, "a")).collect();
        assert!(error(many).starts_with("must have at most"));
        let bad = TrackChange { step: 4, cfg_scale: Some(99.0), ..TrackChange::default() };
        assert_eq!(error(vec![bad]), "has at step 4 a cfg_scale that must be a number from 0 to 30, not 99");
        let bad = TrackChange { step: 4, finish_in: Some(0), ..TrackChange::default() };
        assert_eq!(bad.errors()[0].field, "finish_in");
    }
}
