//! How a take formed, and branches from its steps.

use crate::{FieldError, FrameId, NewGeneration, Parameters, Problem, TakeId};
use ::generation::{Track, TrackChange};
use serde::{Deserialize, Serialize};

/// What is kept of how a take formed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct TakeTrace {
    /// The take.
    pub take_id: TakeId,
    /// Steps of the run; 0 without a trace.
    pub total_steps: u32,
    /// Space that it takes, bytes.
    pub bytes: u64,
    /// Whether it stays when the space for traces is used up.
    pub trace_pinned: bool,
    /// The steps that were kept, in order.
    pub steps: Vec<TraceStep>,
}

/// One step of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct TraceStep {
    /// The step, counted from 1.
    pub step: u32,
    /// URL path of the picture of its estimate, which never changes; null if there is none.
    pub path: Option<String>,
    /// Space that the step takes, bytes.
    pub bytes: u64,
    /// Whether a new take can branch from it.
    pub can_branch: bool,
}

/// The body of `POST /takes/{id}/branch`: what is different from the take after the shared steps. Absent fields stay as they
/// are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewBranch {
    /// Number of steps that the new take shares with this one.
    #[cfg_attr(feature = "openapi", schemars(range(min = 1, max = *::generation::limits::STEPS.end() - 1)))]
    pub from_step: u32,
    /// Prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(max = ::generation::limits::PROMPT_CHARS)))]
    pub prompt: Option<String>,
    /// Negative prompt; may be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(max = ::generation::limits::PROMPT_CHARS)))]
    pub negative_prompt: Option<String>,
    /// Guidance scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *::generation::limits::CFG_SCALE.start(), max = *::generation::limits::CFG_SCALE.end())))]
    pub cfg_scale: Option<f64>,
    /// Sampling method. Another one starts with its first order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = ::generation::Sampler::NAMES)))]
    pub sampler: Option<String>,
    /// LoRA files with their weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("maxItems" = ::generation::limits::LORAS)))]
    pub loras: Option<::generation::Loras>,
    /// Seed of the remaining steps' noise. Samplers without noise of their own do not use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = 0, max = ::generation::limits::SEED)))]
    pub seed: Option<u64>,
    /// Number of steps in which the rest is done, at most as many as are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *::generation::limits::STEPS.start(), max = *::generation::limits::STEPS.end())))]
    pub finish_in: Option<u32>,
    /// Whether the task waits until no other task does, and steps aside for those between two steps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overnight: bool,
}

impl NewBranch {
    /// The changes that the new take has between its steps: those of `of` that still hold, and its own `finish_in`.
    fn track(&self, of: &Parameters) -> Track {
        let mut track = Track::default();
        for change in of.track.iter() {
            let mut change = change.clone();
            if change.step <= self.from_step {
                // Its values are those that the new take begins with.
                change = TrackChange { step: change.step, finish_in: change.finish_in, ..TrackChange::default() };
            } else {
                change.prompt = change.prompt.filter(|_| self.prompt.is_none());
                change.negative_prompt = change.negative_prompt.filter(|_| self.negative_prompt.is_none());
                change.cfg_scale = change.cfg_scale.filter(|_| self.cfg_scale.is_none());
                change.finish_in = change.finish_in.filter(|_| self.finish_in.is_none());
            }
            if !change.is_empty() {
                track.0.push(change);
            }
        }
        if self.finish_in.is_some() {
            let own = TrackChange { step: self.from_step, finish_in: self.finish_in, ..TrackChange::default() };
            let at = track.iter().take_while(|change| change.step < own.step).count();
            match track.0.get_mut(at).filter(|change| change.step == own.step) {
                Some(change) => change.add(own),
                None => track.0.insert(at, own),
            }
        }
        track
    }

    /// The request for a take of `frame` with the parameters and the seed of another one, and these changes.
    pub fn generation(&self, frame: FrameId, of: &Parameters, seed: u64) -> NewGeneration {
        let held = of.track.at(self.from_step);
        let prompt = || held.prompt.clone().unwrap_or_else(|| of.prompt.clone());
        let negative_prompt = || held.negative_prompt.clone().unwrap_or_else(|| of.negative_prompt.clone());
        NewGeneration {
            prompt: self.prompt.clone().unwrap_or_else(prompt),
            negative_prompt: Some(self.negative_prompt.clone().unwrap_or_else(negative_prompt)),
            steps: Some(of.steps),
            cfg_scale: Some(self.cfg_scale.or(held.cfg_scale).unwrap_or(of.cfg_scale)),
            cfg_rescale: Some(of.cfg_rescale),
            sampler: Some(self.sampler.clone().unwrap_or_else(|| of.sampler.to_string())),
            scheduler: Some(of.scheduler.to_string()),
            loras: Some(self.loras.clone().unwrap_or_else(|| of.loras.clone())),
            seed: Some(self.seed.unwrap_or(seed)),
            width: Some(of.width),
            height: Some(of.height),
            model: Some(of.model.clone()),
            preview_method: Some(of.preview_method),
            preview_interval_ms: Some(of.preview_interval_ms),
            init_take_id: of.init_take_id,
            strength: of.strength,
            frame_id: Some(frame),
            num_variants: None,
            pause_at: None,
            overnight: self.overnight,
            styles: Vec::new(),
            track: self.track(of),
        }
    }
}

impl TakeTrace {
    /// Checks that a take can branch from this step.
    ///
    /// # Errors
    /// Names `from_step`, with the steps that can be chosen.
    pub fn check_branch(&self, from_step: u32) -> Result<(), Problem> {
        let can_branch = || self.steps.iter().filter(|step| step.can_branch).map(|step| step.step);
        if can_branch().any(|step| step == from_step) {
            return Ok(());
        }
        let message = match (can_branch().min(), can_branch().max()) {
            (Some(first), Some(last)) => format!("must be a kept step from {first} to {last}, not {from_step}"),
            _ => "this take has no steps to branch from; set the setting trace to all before a take is made".to_owned(),
        };
        Err(Problem::Invalid(vec![FieldError::new("from_step", message)]))
    }
}

/// Why the rest of a run cannot be done in `finish_in` steps when `done` of `total` are done; none if it can.
pub fn finish_error(finish_in: u32, done: u32, total: u32) -> Option<FieldError> {
    let left = total.saturating_sub(done);
    let message = match done {
        0 => "must not be given before the first step: it is the number of steps".to_owned(),
        _ if finish_in == 0 => "must be at least 1".to_owned(),
        _ if finish_in > left => format!("must be at most the {left} steps that are left, not {finish_in}"),
        _ => return None,
    };
    Some(FieldError::new("finish_in", message))
}

/// URL path of the picture of a step's estimate. `run` is the trace's random number: the path of another attempt's trace
/// is another one.
pub fn step_path(key: &str, step: u32, run: u64) -> String {
    crate::url_path(&format!("/media/{key}/steps/{step}.png?v={run:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(steps: &[(u32, bool)]) -> TakeTrace {
        let step =
            |(step, can_branch): &(u32, bool)| TraceStep { step: *step, path: None, bytes: 1, can_branch: *can_branch };
        let steps = steps.iter().map(step).collect();
        TakeTrace { take_id: TakeId(1), total_steps: 9, bytes: 2, trace_pinned: false, steps }
    }

    #[test]
    fn only_steps_with_a_state_can_be_branched_from() {
        let message = |trace: TakeTrace, step| match trace.check_branch(step) {
            Ok(()) => None,
            Err(problem) => Some(problem.field_errors()[0].message.clone()),
        };
        let some = || trace(&[(1, false), (2, true), (3, true), (4, false)]);
        assert_eq!(message(some(), 2), None);
        assert_eq!(message(some(), 4).expect("refused"), "must be a kept step from 2 to 3, not 4");
        assert!(message(trace(&[(1, false)]), 1).expect("refused").starts_with("this take has no steps"));
    }

    #[test]
    fn a_branch_without_changes_asks_for_the_same_picture() {
        let defaults = crate::Defaults {
            recommended: crate::Recommended::default(),
            model: "other".into(),
            preview_method: crate::PreviewMethod::None,
            preview_interval_ms: 7,
        };
        let of = NewGeneration {
            steps: Some(9),
            cfg_rescale: Some(0.3),
            scheduler: Some("karras".into()),
            width: Some(512),
            model: Some("mine".into()),
            init_take_id: Some(TakeId(4)),
            strength: Some(0.25),
            ..NewGeneration::of("a car")
        };
        let of = of.resolved(&defaults).expect("valid");
        let branch = NewBranch { from_step: 3, ..NewBranch::default() };
        let same = branch.generation(FrameId(2), &of, 42);
        assert_eq!((same.frame_id, same.seed), (Some(FrameId(2)), Some(42)));
        assert_eq!(same.resolved(&defaults).expect("valid"), of);
        let other = NewBranch { cfg_scale: Some(2.0), seed: Some(1), ..branch }.generation(FrameId(2), &of, 42);
        assert_eq!(other.seed, Some(1));
        let other = other.resolved(&defaults).expect("valid");
        assert_eq!(other, Parameters { cfg_scale: 2.0, ..of });
    }
}
