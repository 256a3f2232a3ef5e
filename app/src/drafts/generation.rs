//! The generation form as typed text, and its validation. The browser and the server parse it with the same function, so
//! that both report the same errors.

use crate::{drafts::CUSTOM, error::AppError};
use generation::{DEFAULT_STRENGTH, GenerationParameters, Loras, PartialParameters, parameters};
use prompt::edited_by;
use protocol::{
    FieldError, NewGeneration, Parameters, Problem, Project, Recommended, Take, TakeId, task_patch_expected,
};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

parameters! {
    text
    /// The text of a generation's form. An empty field takes the server's default.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default)]
    pub struct Draft {
        /// `1216x832`, `custom`, or empty for the project's size.
        pub size: String,
        /// Number of takes.
        pub num_variants: String,
        /// The step at which the takes pause; empty for none.
        pub pause_at: String,
        /// Preview method.
        pub preview_method: String,
        /// Name of the model.
        pub model: String,
        /// The frame that gets the takes; empty for a new frame.
        pub frame_id: String,
        /// The take whose picture is the initial picture.
        pub init_take_id: String,
        /// Share of the initial picture that is redrawn.
        pub strength: String,
        /// The take that it branches from; empty for a generation of its own.
        pub branch_of: String,
        /// The number of steps that it shares with that take.
        pub from_step: String,
        /// The number of steps in which a branch does the rest; empty for all that are left.
        pub finish_in: String,
        /// Whether others go first; empty if not.
        pub overnight: String,
        /// Names of styles, one in each line.
        pub styles: String,
        /// Idempotency key: submitting the same form again returns the first result. It is not remembered with the form.
        pub key: String,
    }
}

/// The fields that the form shows an error at.
pub fn fields_with_errors() -> Vec<&'static str> {
    let parameters = Draft::default();
    let parameters = parameters.parameters().into_iter().map(|(field, _)| field);
    parameters.chain(["num_variants", "pause_at", "strength", "model", "styles", "finish_in"]).collect()
}

impl Draft {
    /// The initial form, from a model's and a project's defaults.
    pub fn new(recommended: Option<&Recommended>, project: &Project) -> Self {
        let mut draft = Self {
            width: project.width.to_string(),
            height: project.height.to_string(),
            num_variants: "1".to_owned(),
            strength: DEFAULT_STRENGTH.to_string(),
            ..Self::default()
        };
        if let Some(model) = recommended {
            settings(model).into_iter().for_each(|(field, text)| draft.set(field, text));
        }
        draft
    }

    /// Replaces settings that are still the last model's by another model's.
    pub fn follow(&mut self, from: &Recommended, to: &Recommended) {
        for ((field, from), (_, to)) in settings(from).into_iter().zip(settings(to)) {
            if self.fields_mut().any(|(name, text)| name == field && *text == from) {
                self.set(field, to);
            }
        }
    }

    /// The form that reproduces these parameters, with prompts that were changed between two steps as `[a:b:when]` where that
    /// says the same. Its prompts contain its styles: they must be taken out of the prompts, or
    /// out of the form.
    pub fn of(parameters: &Parameters, seed: Option<u64>) -> Self {
        let mut draft = Self {
            seed: seed.map(|seed| seed.to_string()).unwrap_or_default(),
            size: CUSTOM.to_owned(),
            num_variants: "1".to_owned(),
            preview_method: parameters.preview_method.to_string(),
            model: parameters.model.clone(),
            init_take_id: parameters.init_take_id.map(|id| id.to_string()).unwrap_or_default(),
            strength: parameters.strength.map(|strength| strength.to_string()).unwrap_or_default(),
            styles: parameters.styles.join("\n"),
            ..Self::default()
        };
        parameters.texts().into_iter().for_each(|(field, text)| draft.set(field, text));
        let (track, sampler, steps) = (&parameters.track, parameters.sampler, parameters.steps);
        if !track.is_empty() {
            let prompt = edited_by(track, |change| change.prompt.as_ref(), &parameters.prompt, sampler, steps);
            let first = &parameters.negative_prompt;
            let negative = edited_by(track, |change| change.negative_prompt.as_ref(), first, sampler, steps);
            draft.prompt = prompt.unwrap_or(draft.prompt);
            draft.negative_prompt = negative.unwrap_or(draft.negative_prompt);
        }
        draft
    }

    /// Sets a field; nothing is set where the form has no field of that name.
    pub fn set(&mut self, field: &str, text: String) {
        if let Some((_, place)) = self.fields_mut().find(|(name, _)| *name == field) {
            *place = text;
        }
    }

    /// One draft for each line of the prompt; empty lines are skipped.
    pub fn lines(&self) -> Vec<Self> {
        let lines = self.prompt.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(|line| Self { prompt: line.to_owned(), ..self.clone() }).collect()
    }

    /// What the form asks for.
    ///
    /// # Errors
    /// Every field that cannot be read or breaks its rule.
    pub fn read(&self) -> Result<NewGeneration, Problem> {
        let mut errors = Vec::new();
        let partial = self.partial(&mut errors);
        let from_take = !self.init_take_id.trim().is_empty();
        let new = NewGeneration {
            negative_prompt: Some(self.negative_prompt.clone()),
            model: name(&self.model),
            preview_method: read("preview_method", &self.preview_method, &mut errors),
            init_take_id: read("init_take_id", &self.init_take_id, &mut errors),
            strength: if from_take { read("strength", &self.strength, &mut errors) } else { None },
            frame_id: read("frame_id", &self.frame_id, &mut errors),
            num_variants: read("num_variants", &self.num_variants, &mut errors),
            pause_at: read("pause_at", &self.pause_at, &mut errors),
            overnight: !self.overnight.is_empty(),
            styles: self.style_names(),
            ..NewGeneration::from_partial(partial)
        };
        if self.prompt.trim().is_empty() {
            errors.push(FieldError::new("prompt", "must not be empty"));
        }
        errors.extend(new.errors());
        if errors.is_empty() { Ok(new) } else { Err(Problem::Invalid(errors)) }
    }

    /// The number of steps in which a branch does the rest; none for all that are left.
    ///
    /// # Errors
    /// A field that cannot be read.
    pub fn finish_in(&self) -> Result<Option<u32>, Problem> {
        let mut errors = Vec::new();
        let steps = read("finish_in", &self.finish_in, &mut errors);
        if errors.is_empty() { Ok(steps) } else { Err(Problem::Invalid(errors)) }
    }

    /// The take that it branches from, and the number of steps that it shares with it; none for a generation of its own.
    ///
    /// # Errors
    /// A field that cannot be read.
    pub fn branch(&self) -> Result<Option<(TakeId, u32)>, Problem> {
        let mut errors = Vec::new();
        let of = read("branch_of", &self.branch_of, &mut errors);
        let step = read("from_step", &self.from_step, &mut errors);
        if errors.is_empty() { Ok(of.zip(step)) } else { Err(Problem::Invalid(errors)) }
    }

    /// The form that continues a take after this step. Its prompts contain the take's styles. What a branch cannot change is
    /// filled in too.
    pub fn branching(take: &Take, step: u32) -> Self {
        Self {
            branch_of: take.id.to_string(),
            from_step: step.to_string(),
            // The first steps contain them.
            styles: String::new(),
            init_take_id: String::new(),
            ..Self::of(&take.parameters, Some(take.seed))
        }
    }

    /// The parameters that are filled in.
    fn partial(&self, errors: &mut Vec<FieldError>) -> PartialParameters {
        let (width, height) = self.sides();
        let mut partial = PartialParameters::default();
        for (field, text) in self.parameters() {
            let text = match field {
                "prompt" | "negative_prompt" => text,
                "width" => width.unwrap_or_default().trim(),
                "height" => height.unwrap_or_default().trim(),
                _ => text.trim(),
            };
            if !text.is_empty() && !partial.set(field, text) {
                errors.push(unreadable(field, text));
            }
        }
        partial
    }

    /// Width and height as typed or chosen; none for the project's.
    fn sides(&self) -> (Option<&str>, Option<&str>) {
        match self.size.split_once('x') {
            Some((width, height)) => (Some(width), Some(height)),
            None if self.size == CUSTOM => (Some(&self.width), Some(&self.height)),
            None => (None, None),
        }
    }

    /// The names of its styles.
    pub fn style_names(&self) -> Vec<String> {
        self.styles.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// The idempotency key, where the form has one.
    pub fn idempotency_key(&self) -> Option<String> {
        name(&self.key)
    }

    /// The error together with the typed text, for a form that was posted without script.
    pub fn refused(&self, problem: Problem) -> AppError {
        let typed = self.fields().into_iter().filter(|(_, text)| !text.is_empty());
        let kept = typed.map(|(field, text)| match field {
            "loras" => (field.to_owned(), kept_loras(&text)),
            "styles" => (field.to_owned(), kept_lines(&text)),
            _ => (field.to_owned(), text.chars().take(KEPT_CHARS).collect()),
        });
        AppError { problem, kept: kept.collect() }
    }

    /// The form with the typed text of an error.
    pub fn restored(mut self, error: &AppError) -> Self {
        for (field, text) in self.fields_mut() {
            *text = error.kept(field).unwrap_or_default().to_owned();
        }
        self
    }

    /// Each field by its name.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut copy = self.clone();
        copy.fields_mut().map(|(field, text)| (field, std::mem::take(text))).collect()
    }

    /// Takes one field's text out of the draft.
    pub fn take(&mut self, field: &str) -> String {
        let found = self.fields_mut().find(|(name, _)| *name == field);
        found.map(|(_, text)| std::mem::take(text)).unwrap_or_default()
    }

    /// The form as one text for the browser's storage: a record for each field, with name and text.
    pub fn to_text(&self) -> String {
        self.fields().into_iter().map(|(field, text)| format!("{field}{UNIT}{text}{RECORD}")).collect()
    }

    /// Parses the form from its text. Unknown fields are ignored.
    pub fn from_text(kept: &str) -> Self {
        let mut draft = Self::default();
        for (field, text) in kept.split(RECORD).filter_map(|record| record.split_once(UNIT)) {
            if let Some((_, place)) = draft.fields_mut().find(|(name, _)| *name == field) {
                *place = text.to_owned();
            }
        }
        draft
    }

    /// Each field that the form shows by its name, to be written.
    pub fn fields_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut String)> {
        self.all_mut().into_iter().filter(|(field, _)| *field != "key")
    }
}

/// What a model recommends, by field. The size is the project's.
fn settings(of: &Recommended) -> Vec<(&'static str, String)> {
    let mut texts = GenerationParameters::from(of.clone()).texts();
    texts.retain(|(field, _)| !["prompt", "negative_prompt", "width", "height"].contains(field));
    texts
}

/// ASCII's unit and record separators, which cannot be typed.
const UNIT: char = '\u{1f}';
const RECORD: char = '\u{1e}';

/// The typed text is sent back in the page's address. Servers and proxies accept 8 kB, and a character can take 12 bytes
/// there.
const KEPT_CHARS: usize = 200;

/// Characters of the LoRA files' text that are sent back: about eight files.
const KEPT_LORA_CHARS: usize = 600;

/// The LoRA files whose text is short enough. A shortened text could not be read.
fn kept_loras(text: &str) -> String {
    let mut loras: Loras = text.parse().unwrap_or_default();
    while loras.to_string().chars().count() > KEPT_LORA_CHARS {
        loras.0.pop();
    }
    loras.to_string()
}

/// The lines at the start that are short enough together. A shortened name would be another one.
fn kept_lines(text: &str) -> String {
    let mut kept = String::new();
    for line in text.lines() {
        if kept.chars().count() + line.chars().count() >= KEPT_CHARS {
            break;
        }
        kept.extend([line, "\n"]);
    }
    kept
}

fn name(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A number or name from its field; none when it is empty.
fn read<T: FromStr>(field: &str, text: &str, errors: &mut Vec<FieldError>) -> Option<T> {
    let text = name(text)?;
    let read = text.parse().ok();
    if read.is_none() {
        errors.push(unreadable(field, &text));
    }
    read
}

fn unreadable(field: &str, text: &str) -> FieldError {
    let rule = task_patch_expected(field).unwrap_or_else(|| "must be a whole number".to_owned());
    let shown: String = text.chars().take(20).collect();
    FieldError::new(field, format!("{rule}, not {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::state::examples::{project, take};
    use generation::Lora;
    use protocol::{PreviewMethod, Sampler, Schedule};

    fn messages(draft: &Draft) -> Vec<(String, String)> {
        let problem = draft.read().expect_err("should have been refused");
        problem.field_errors().iter().map(|e| (e.field.clone(), e.message.clone())).collect()
    }

    #[test]
    fn a_fresh_form_with_a_prompt_is_good_and_takes_the_models_settings() {
        let model = Recommended {
            width: 128,
            height: 128,
            steps: 25,
            cfg_scale: 4.5,
            sampler: Sampler::Euler,
            scheduler: Schedule::Leading,
            ..Recommended::default()
        };
        let draft = Draft { prompt: "a red car".into(), ..Draft::new(Some(&model), &project()) };
        let new = draft.read().expect("good");
        assert_eq!((new.steps, new.cfg_scale, new.seed, new.width), (Some(25), Some(4.5), None, None));
        let overnight = Draft { overnight: "on".into(), ..draft.clone() }.read().expect("good");
        assert_eq!((new.overnight, overnight.overnight), (false, true));
        assert_eq!((new.sampler.as_deref(), new.num_variants, new.strength), (Some("euler"), Some(1), None));
    }

    #[test]
    fn another_models_settings_replace_the_last_ones_but_not_what_was_chosen() {
        let model = |steps, sampler: &str, scheduler: &str| Recommended {
            width: 512,
            height: 512,
            steps,
            cfg_scale: 5.0,
            sampler: sampler.parse().expect("a sampler"),
            scheduler: scheduler.parse().expect("a schedule"),
            ..Recommended::default()
        };
        let (from, to) = (model(30, "euler", "leading"), model(4, "euler_ancestral", "trailing"));
        let mut draft = Draft { steps: "12".into(), ..Draft::new(Some(&from), &project()) };
        draft.follow(&from, &to);
        let shown = [&draft.steps, &draft.cfg_scale, &draft.sampler, &draft.scheduler].map(String::as_str);
        assert_eq!(shown, ["12", "5", "euler_ancestral", "trailing"]);
    }

    #[test]
    fn values_that_are_no_numbers_are_reported_beside_those_out_of_bounds() {
        let draft = Draft {
            steps: "many".into(),
            cfg_scale: "99".into(),
            seed: "-1".into(),
            size: CUSTOM.into(),
            width: "7".into(),
            height: "tall".into(),
            num_variants: "1.5".into(),
            ..Draft::default()
        };
        let told = messages(&draft);
        let fields: Vec<&str> = told.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["steps", "seed", "height", "num_variants", "prompt", "cfg_scale", "width"]);
        assert_eq!(told[0].1, "must be a whole number from 1 to 1000, not many");
        assert_eq!(told[6].1, "must be a multiple of 8 from 64 to 2048, not 7");
    }

    #[test]
    fn a_size_is_the_projects_a_presets_or_ones_own() {
        let sized = |size: &str| {
            let draft = Draft { prompt: "x".into(), size: size.into(), ..Draft::new(None, &project()) };
            let new = draft.read().expect("good");
            (new.width, new.height)
        };
        assert_eq!(sized(""), (None, None));
        assert_eq!(sized("1216x832"), (Some(1216), Some(832)));
        assert_eq!(sized(CUSTOM), (Some(128), Some(128)));
    }

    #[test]
    fn parameters_become_a_form_that_asks_for_them_again() {
        let draft = Draft { prompt: "x".into(), size: CUSTOM.into(), seed: "7".into(), ..Draft::new(None, &project()) };
        let asked = NewGeneration { strength: None, ..draft.read().expect("good") };
        let parameters = Parameters {
            prompt: "x".into(),
            steps: 20,
            model: "starter".into(),
            preview_method: PreviewMethod::Taesd,
            loras: Loras(vec![Lora { text_weight: Some(0.0), ..Lora::new("ink", -0.5) }]),
            ..Parameters::imported(128, 128)
        };
        let again = Draft::of(&parameters, Some(7)).read().expect("good");
        assert_eq!((again.prompt, again.seed, again.width), (asked.prompt, asked.seed, asked.width));
        assert_eq!((again.steps, again.preview_method), (Some(20), Some(PreviewMethod::Taesd)));
        assert_eq!(again.loras, Some(parameters.loras));
    }

    #[test]
    fn a_branch_has_the_settings_of_its_take_and_names_the_step() {
        let parameters = Parameters {
            prompt: "a red car, oil on canvas".into(),
            steps: 20,
            styles: vec!["Oil".into()],
            init_take_id: Some(TakeId(3)),
            strength: Some(0.5),
            ..Parameters::imported(128, 64)
        };
        let take = Take { id: TakeId(5), seed: 9, parameters, ..take() };
        let draft = Draft::branching(&take, 8);
        assert_eq!(draft.branch(), Ok(Some((TakeId(5), 8))));
        let new = draft.read().expect("good");
        assert_eq!((new.prompt.as_str(), new.steps, new.seed), ("a red car, oil on canvas", Some(20), Some(9)));
        assert_eq!((new.styles.len(), new.init_take_id, new.height), (0, None, Some(64)));
        assert_eq!(Draft::of(&take.parameters, None).branch(), Ok(None));
        let problem = Draft { from_step: "early".into(), ..draft.clone() }.branch().expect_err("no number");
        assert_eq!(problem.field_errors()[0].message, "must be a whole number, 1 for the first step, not early");
        assert_eq!(draft.finish_in(), Ok(None));
        assert_eq!(Draft { finish_in: " 4".into(), ..draft.clone() }.finish_in(), Ok(Some(4)));
        let problem = Draft { finish_in: "few".into(), ..draft.clone() }.finish_in().expect_err("no number");
        assert_eq!(problem.field_errors()[0].message, "must be a whole number from 1 to 1000, not few");
    }

    #[test]
    fn styles_are_lines_and_names_are_not_cut() {
        let draft = Draft { prompt: "x".into(), styles: " Oil \r\n\nInk, 2\n".into(), ..Draft::default() };
        assert_eq!(draft.read().expect("good").styles, ["Oil", "Ink, 2"]);
        let names: Vec<String> = (0..9).map(|i| format!("{i}{}", "x".repeat(40))).collect();
        let error = Draft { styles: names.join("\n"), ..draft }.refused(Problem::Internal);
        assert_eq!(error.kept("styles").expect("kept").lines().collect::<Vec<_>>(), names[..4]);
    }

    #[test]
    fn a_list_of_prompts_is_a_draft_a_line() {
        let draft = Draft { prompt: "a cat\n\n  a dog  \n \n".into(), steps: "7".into(), ..Draft::default() };
        let lines = draft.lines();
        assert_eq!(lines.iter().map(|draft| draft.prompt.as_str()).collect::<Vec<_>>(), ["a cat", "a dog"]);
        assert!(lines.iter().all(|draft| draft.steps == "7"));
        assert_eq!(Draft::default().lines(), []);
    }

    #[test]
    fn a_form_is_kept_as_one_text() {
        let draft = Draft { prompt: "two\nlines, 龍 = dragon".into(), ..Draft::new(None, &project()) };
        assert_eq!(Draft::from_text(&draft.to_text()), draft);
        for garbage in ["", "prompt", "\u{1e}\u{1f}\u{1e}", "later\u{1f}x\u{1e}"] {
            assert_eq!(Draft::from_text(garbage), Draft::default());
        }
    }

    #[test]
    fn a_refused_form_comes_back_as_it_was_typed() {
        let draft = Draft { prompt: "龍 & <b>".into(), steps: "0".into(), ..Draft::default() };
        let error = draft.refused(draft.read().expect_err("steps"));
        assert_eq!(Draft::new(None, &project()).restored(&error), draft);
        let long = Draft { prompt: "x".repeat(10_001), ..Draft::default() };
        assert_eq!(long.refused(Problem::Internal).kept("prompt").map(str::len), Some(KEPT_CHARS));
        let loras: Loras = Loras((0..32).map(|i| Lora::new(format!("a file with a name {i}"), 0.5)).collect());
        let many = Draft { loras: loras.to_string(), ..Draft::default() }.refused(Problem::Internal);
        let kept: Loras = many.kept("loras").expect("some").parse().expect("it can be read");
        assert!((5..32).contains(&kept.len()) && kept.iter().zip(loras.iter()).all(|(kept, typed)| kept == typed));
    }
}
