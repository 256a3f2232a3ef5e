//! A generation: the request, its limits, and its parameters with all defaults filled in.

use crate::{FieldError, FrameId, Problem, Recommended, TakeId, TaskId};
use ::generation::{
    DEFAULT_STRENGTH, GenerationParameters, PreviewMethod, Track, TrackChange, Value, parameters, rule,
};
use ::prompt::{Plan, PromptSyntax};
use serde::{Deserialize, Serialize};

pub use ::generation::limits;

parameters! {
    request
    /// The body of `POST /projects/{id}/generations`. Only the prompt is required. Defaults: the project's size, a random seed, and
    /// the model's recommended settings.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct NewGeneration {
        /// Name of one of the offered models; by default the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub model: Option<String>,
        /// Preview method; by default that of the settings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub preview_method: Option<PreviewMethod>,
        /// Minimum time between two previews, milliseconds; by default that of the settings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schemars(range(min = *limits::PREVIEW_INTERVAL_MS.start(), max = *limits::PREVIEW_INTERVAL_MS.end())))]
        pub preview_interval_ms: Option<u32>,
        /// A finished take whose picture is the initial picture.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub init_take_id: Option<TakeId>,
        /// Share of the initial picture that is redrawn, 0 to 1; by default 0.6.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schemars(range(min = *limits::STRENGTH.start(), max = *limits::STRENGTH.end())))]
        pub strength: Option<f64>,
        /// The frame that gets new takes; by default a new frame.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub frame_id: Option<FrameId>,
        /// Number of takes; by default one. Their seeds count up from the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schemars(range(min = *limits::NUM_VARIANTS.start(), max = *limits::NUM_VARIANTS.end())))]
        pub num_variants: Option<u32>,
        /// Number of steps after which each take pauses by itself; at most one less than it has. By default it does not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schemars(range(min = *limits::PAUSE_AT.start(), max = *limits::PAUSE_AT.end())))]
        pub pause_at: Option<u32>,
        /// Whether the tasks wait until no other task does, and step aside for those between two steps.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub overnight: bool,
        /// Names of styles, applied to the prompts in this order when the tasks are created. Tasks record the result and
        /// the names.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(feature = "openapi", schemars(length(max = crate::style::STYLES)))]
        pub styles: Vec<String>,
        /// Changes between steps, as a task that was changed while it ran records them. The steps rise.
        #[serde(default, skip_serializing_if = "Track::is_empty")]
        #[cfg_attr(feature = "openapi", schemars(extend("maxItems" = limits::TRACK_CHANGES)))]
        pub track: Track,
    }
}

parameters! {
    required
    /// A take's parameters with all defaults filled in, except the seed. Stored with the task.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
    pub struct Parameters {
        /// The model's name.
        pub model: String,
        /// Preview method.
        pub preview_method: PreviewMethod,
        /// Minimum time between two previews, milliseconds.
        pub preview_interval_ms: u32,
        /// The take whose picture is the initial picture.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub init_take_id: Option<TakeId>,
        /// Share of the initial picture that is redrawn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub strength: Option<f64>,
        /// Names of the styles that the prompts contain.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub styles: Vec<String>,
        /// The take whose first steps it shares.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub branch_of: Option<TakeId>,
        /// How many steps it shares with that take.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub from_step: Option<u32>,
        /// What was changed between its steps.
        #[serde(default, skip_serializing_if = "Track::is_empty")]
        pub track: Track,
    }
}

/// The model's name for pictures that were not generated here: imported from a file, or blank.
pub const IMPORTED: &str = "imported";

impl Parameters {
    /// Parameters for an imported picture of this size, pixels. All but the size are placeholders within their limits.
    pub fn imported(width: u32, height: u32) -> Self {
        let shared = GenerationParameters {
            steps: *limits::STEPS.start(),
            cfg_scale: 1.0,
            width,
            height,
            ..GenerationParameters::from(Recommended {
                scheduler: ::generation::Schedule::Normal,
                ..Recommended::default()
            })
        };
        let interval_ms = *limits::PREVIEW_INTERVAL_MS.start();
        Self::new(
            shared,
            IMPORTED.to_owned(),
            PreviewMethod::default(),
            interval_ms,
            None,
            None,
            Vec::new(),
            None,
            None,
            Track::default(),
        )
    }

    /// Adds a change to the track. Values that hold already are left out, so that the record has only what differs.
    pub fn change(&mut self, change: TrackChange) {
        let held = self.track.at(change.step);
        let differs = |now: Option<&String>, first: &String, new: &String| now.unwrap_or(first) != new;
        let TrackChange { step, prompt, negative_prompt, cfg_scale, finish_in } = change;
        let prompt = prompt.filter(|new| differs(held.prompt.as_ref(), &self.prompt, new));
        let negative_prompt =
            negative_prompt.filter(|new| differs(held.negative_prompt.as_ref(), &self.negative_prompt, new));
        let cfg_scale = cfg_scale.filter(|new| held.cfg_scale.unwrap_or(self.cfg_scale) != *new);
        let change = TrackChange { step, prompt, negative_prompt, cfg_scale, finish_in };
        if !change.is_empty() {
            self.track.add(change);
        }
    }

    /// Whether they are for an imported picture. It cannot be generated again.
    pub fn is_imported(&self) -> bool {
        self.model == IMPORTED
    }

    /// Warnings about prompt syntax that is read as ordinary words, by field; see [`crate::prompt::warnings`]. None for an imported
    /// picture.
    pub fn warnings(&self, is_embedding: &dyn Fn(&str) -> bool) -> Vec<FieldError> {
        match self.is_imported() {
            true => Vec::new(),
            false => crate::prompt::warnings(&self.prompt, &self.negative_prompt, is_embedding),
        }
    }
}

/// Defaults for missing fields of a [`NewGeneration`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Defaults {
    /// The model's settings, with the project's picture size.
    pub recommended: Recommended,
    /// The model's name.
    pub model: String,
    /// Preview method.
    pub preview_method: PreviewMethod,
    /// Minimum time between two previews, milliseconds.
    pub preview_interval_ms: u32,
}

impl NewGeneration {
    /// A generation of this prompt with defaults for everything else.
    pub fn of(prompt: impl Into<String>) -> Self {
        Self { prompt: prompt.into(), ..Self::default() }
    }

    /// Errors of all fields, in field order. Whether ids and the model exist is not checked here.
    pub fn errors(&self) -> Vec<FieldError> {
        let mut errors: Vec<FieldError> = Vec::new();
        for (field, value) in self.partial().values() {
            let message = match (field, value) {
                // The last variant has the largest seed.
                ("seed", _) => check(field, self.last_seed().map(Value::Whole)),
                ("prompt", Value::Text(text)) => {
                    let tag = || ::prompt::networks::faulty_tag(text);
                    check(field, Some(value)).or_else(|| breaks(text)).or_else(tag)
                }
                ("negative_prompt", Value::Text(prompt)) => check(field, Some(value)).or_else(|| breaks(prompt)),
                _ => check(field, Some(value)),
            };
            errors.extend(message.map(|message| FieldError::new(field, message)));
        }
        let needs_take = || "needs a take to start from: init_take_id is missing".to_owned();
        let is_alone = self.strength.is_some() && self.init_take_id.is_none();
        let own = [
            ("preview_interval_ms", check("preview_interval_ms", self.preview_interval_ms.as_ref().map(Value::from))),
            ("strength", check("strength", self.strength.as_ref().map(Value::from))),
            ("strength", is_alone.then(needs_take)),
            ("num_variants", check("num_variants", self.num_variants.as_ref().map(Value::from))),
            ("pause_at", check("pause_at", self.pause_at.as_ref().map(Value::from))),
            ("track", self.track.error().or_else(|| self.track.iter().find_map(track_error))),
        ];
        errors.extend(own.into_iter().filter_map(|(field, message)| Some(FieldError::new(field, message?))));
        errors
    }

    /// The parameters of its takes, with all defaults filled in.
    ///
    /// # Errors
    /// All fields with invalid values.
    pub fn resolved(&self, defaults: &Defaults) -> Result<Parameters, Problem> {
        let errors = self.errors();
        if !errors.is_empty() {
            return Err(Problem::Invalid(errors));
        }
        let shared = self.partial().or_recommended(&defaults.recommended);
        let errors = plan_errors(&shared);
        if !errors.is_empty() {
            return Err(Problem::Invalid(errors));
        }
        Ok(Parameters::new(
            shared,
            self.model.clone().unwrap_or_else(|| defaults.model.clone()),
            self.preview_method.unwrap_or(defaults.preview_method),
            self.preview_interval_ms.unwrap_or(defaults.preview_interval_ms),
            self.init_take_id,
            self.init_take_id.map(|_| self.strength.unwrap_or(DEFAULT_STRENGTH)),
            self.styles.clone(),
            None,
            None,
            self.track.clone(),
        ))
    }

    /// Number of takes.
    pub fn variants(&self) -> u32 {
        self.num_variants.unwrap_or(1)
    }

    fn last_seed(&self) -> Option<u64> {
        self.seed.map(|seed| seed.saturating_add(u64::from(self.variants().saturating_sub(1))))
    }
}

/// A field's rule as a phrase, for a value of the wrong type (text for steps, or -1).
pub fn expected(field: &str) -> Option<String> {
    match field {
        "model" => Some("must be the name of a model of GET /models".to_owned()),
        "overnight" => Some("must be true or false".to_owned()),
        "init_take_id" | "frame_id" => Some("must be an id, a whole number".to_owned()),
        "from_step" => Some("must be a whole number, 1 for the first step".to_owned()),
        _ => rule(field).map(|rule| rule.expected()),
    }
}

/// Why a picture of `total_steps` steps cannot pause after `pause_at` of them; none if it can.
pub fn pause_error(pause_at: u32, total_steps: u32) -> Option<FieldError> {
    if (1..total_steps).contains(&pause_at) {
        return None;
    }
    let message = match total_steps.saturating_sub(1) {
        0 => "must not be given for a picture of one step".to_owned(),
        last => format!("must be a whole number from 1 to {last}, not {pause_at}: the picture has {total_steps} steps"),
    };
    Some(FieldError::new("pause_at", message))
}

fn check(field: &str, value: Option<Value<'_>>) -> Option<String> {
    rule(field)?.check(value?)
}

/// Errors of prompts with too many parts, or too many texts over the steps.
fn plan_errors(of: &GenerationParameters) -> Vec<FieldError> {
    let evaluations = ::prompt::evaluations(of.sampler, of.steps as usize);
    let plans = [
        ("prompt", Plan::of_prompt(&of.prompt, PromptSyntax::A1111, evaluations)),
        ("negative_prompt", Plan::of_negative_prompt(&of.negative_prompt, PromptSyntax::A1111, evaluations)),
    ];
    plans.into_iter().filter_map(|(field, plan)| Some(FieldError::new(field, plan.error()?))).collect()
}

/// The first error of a changed prompt that its rule does not find.
fn track_error(change: &TrackChange) -> Option<String> {
    let error = prompt_errors(change.prompt.as_deref(), change.negative_prompt.as_deref()).into_iter().next()?;
    Some(format!("has at step {} a {} that {}", change.step, error.field, error.message))
}

/// Errors of prompts that their rules do not find, by field: too many `BREAK`s, a faulty tag.
pub(crate) fn prompt_errors(prompt: Option<&str>, negative_prompt: Option<&str>) -> Vec<FieldError> {
    let prompt = prompt.and_then(|text| breaks(text).or_else(|| ::prompt::networks::faulty_tag(text)));
    let both = [("prompt", prompt), ("negative_prompt", negative_prompt.and_then(breaks))];
    both.into_iter().filter_map(|(field, message)| Some(FieldError::new(field, message?))).collect()
}

fn breaks(prompt: &str) -> Option<String> {
    let count = crate::prompt::breaks(prompt);
    (count > limits::BREAKS).then(|| format!("must have at most {} BREAKs, not {count}", limits::BREAKS))
}

/// A prompt's length for the text encoders, which read it in chunks of 75 tokens, and warnings about both prompts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCount {
    /// Number of tokens.
    pub tokens: u32,
    /// Number of chunks.
    pub chunks: u32,
    /// Warnings by field; see [`crate::prompt::warnings`].
    pub warnings: Vec<FieldError>,
}

/// Response of `POST /projects/{id}/generations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Accepted {
    /// One for each take, in the order of their seeds.
    pub tasks: Vec<AcceptedTask>,
    /// Warnings about prompt syntax that is read as ordinary words, by field.
    #[serde(default)]
    pub warnings: Vec<FieldError>,
}

/// One accepted task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct AcceptedTask {
    /// The task.
    pub task_id: TaskId,
    /// Its frame.
    pub frame_id: FrameId,
    /// Its take.
    pub take_id: TakeId,
    /// URL path of the preview, later of the final picture. The first preview exists already.
    pub preview_path: String,
    /// Seed of the noise.
    #[serde(default)]
    pub seed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::generation::{Sampler, Schedule};

    fn defaults() -> Defaults {
        Defaults {
            recommended: Recommended {
                width: 128,
                height: 192,
                steps: 20,
                cfg_scale: 4.0,
                sampler: Sampler::Euler,
                scheduler: Schedule::Leading,
                ..Recommended::default()
            },
            model: "starter".into(),
            preview_method: PreviewMethod::Auto,
            preview_interval_ms: 0,
        }
    }

    fn bad_fields(new: &NewGeneration) -> Vec<String> {
        let problem = new.resolved(&defaults()).expect_err("out of bounds");
        problem.field_errors().iter().map(|error| error.field.clone()).collect()
    }

    #[test]
    fn blanks_are_filled_in_and_what_is_said_stays() {
        let new = NewGeneration { steps: Some(7), height: Some(64), ..NewGeneration::of(" a red car\n") };
        let made = new.resolved(&defaults()).expect("good");
        assert_eq!((made.prompt.as_str(), made.steps, made.width, made.height), ("a red car", 7, 128, 64));
        assert_eq!((made.model.as_str(), made.strength), ("starter", None));
        let from_take = NewGeneration { init_take_id: Some(TakeId(3)), ..new };
        assert_eq!(from_take.resolved(&defaults()).expect("good").strength, Some(DEFAULT_STRENGTH));
    }

    #[test]
    fn every_bad_field_is_named_at_once() {
        let new = NewGeneration {
            prompt: "x".repeat(limits::PROMPT_CHARS + 1),
            negative_prompt: Some("\0".into()),
            steps: Some(0),
            cfg_scale: Some(f64::NAN),
            sampler: Some("eulr".into()),
            scheduler: Some(String::new()),
            seed: Some(limits::SEED + 1),
            width: Some(1001),
            height: Some(4096),
            preview_interval_ms: Some(2001),
            strength: Some(1.5),
            num_variants: Some(17),
            pause_at: Some(1000),
            ..NewGeneration::default()
        };
        let all = "prompt negative_prompt steps cfg_scale sampler scheduler seed width height preview_interval_ms \
                   strength strength num_variants pause_at";
        assert_eq!(bad_fields(&new).join(" "), all);
    }

    #[test]
    fn a_change_records_what_differs() {
        let mut of = NewGeneration::of("a car").resolved(&defaults()).expect("good");
        let change = |step, prompt: &str, cfg_scale| TrackChange {
            step,
            prompt: Some(prompt.into()),
            cfg_scale: Some(cfg_scale),
            ..TrackChange::default()
        };
        of.change(change(2, "a car", 4.0));
        assert!(of.track.is_empty());
        of.change(change(3, "a tree", 4.0));
        of.change(change(5, "a tree", 2.0));
        of.change(change(5, "a car", 2.0));
        let expected =
            [TrackChange { step: 3, prompt: Some("a tree".into()), ..TrackChange::default() }, change(5, "a car", 2.0)];
        assert_eq!(*of.track, expected);
        let bad = NewGeneration { track: Track(vec![change(3, "a <lora:x:1,5>", 4.0)]), ..NewGeneration::of("x") };
        assert_eq!(bad_fields(&bad), ["track"]);
    }

    #[test]
    fn the_last_variants_seed_is_in_bounds_too() {
        let new = |variants| NewGeneration {
            seed: Some(limits::SEED - 1),
            num_variants: Some(variants),
            ..NewGeneration::of("x")
        };
        new(2).resolved(&defaults()).expect("the last seed is the largest");
        assert_eq!(bad_fields(&new(3)), ["seed"]);
    }

    #[test]
    fn an_imported_pictures_parameters_keep_to_every_bound() {
        let of = Parameters::imported(2048, 64);
        let new = NewGeneration {
            negative_prompt: Some(of.negative_prompt.clone()),
            steps: Some(of.steps),
            cfg_scale: Some(of.cfg_scale),
            sampler: Some(of.sampler.to_string()),
            scheduler: Some(of.scheduler.to_string()),
            width: Some(of.width),
            height: Some(of.height),
            model: Some(of.model.clone()),
            preview_method: Some(of.preview_method),
            preview_interval_ms: Some(of.preview_interval_ms),
            ..NewGeneration::of(of.prompt.clone())
        };
        let resolved = new.resolved(&defaults()).expect("good");
        assert_eq!(resolved, of);
        assert!(of.is_imported());
        assert!(!NewGeneration::of("x").resolved(&defaults()).expect("good").is_imported());
    }

    #[test]
    fn prompts_that_change_too_often_are_refused() {
        let texts: Vec<String> = (0..=limits::PROMPT_TEXTS).map(|i| i.to_string()).collect();
        let texts = format!("[{}]", texts.join("|"));
        let new = |steps| NewGeneration {
            steps: Some(steps),
            negative_prompt: Some(texts.clone()),
            ..NewGeneration::of(&texts)
        };
        assert_eq!(bad_fields(&new(100)), ["prompt", "negative_prompt"]);
        new(20).resolved(&defaults()).expect("only 20 of them are used");
        assert_eq!(bad_fields(&NewGeneration::of("a <lora:x:1,5>")), ["prompt"]);
    }

    #[test]
    fn a_picture_pauses_before_its_last_step() {
        let error = |pause_at, total| pause_error(pause_at, total).map(|error| error.message);
        assert_eq!([error(1, 2), error(29, 30)], [None, None]);
        let beyond = "must be a whole number from 1 to 29, not 30: the picture has 30 steps";
        assert_eq!(error(30, 30).as_deref(), Some(beyond));
        assert_eq!(error(1, 1).as_deref(), Some("must not be given for a picture of one step"));
        assert!(error(0, 30).is_some());
    }

    #[test]
    fn messages_tell_the_limit() {
        let new = NewGeneration { steps: Some(1001), ..NewGeneration::of("x") };
        assert_eq!(new.errors()[0].message, "must be a whole number from 1 to 1000, not 1001");
        assert_eq!(expected("steps").expect("known"), "must be a whole number from 1 to 1000");
        assert_eq!(expected("colour"), None);
    }
}
