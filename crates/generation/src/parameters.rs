//! The one list of a generation's parameters, and the structs that are made of it.
//!
//! To add a parameter: an entry in `parameters!` and its default in `PartialParameters::resolve`, here; its use where the model
//! runs; its field on the form, and its option on the command line. CONTRIBUTING.md names the places.

use crate::{FieldError, Recommended, Rule, Value, rule};
use serde::{Deserialize, Serialize};

/// Passes the list of parameters to another macro of this crate, followed by `$rest`. An entry is
///
/// ```text
/// /// What it is.
/// name: Type as RequestType, rule, [JSON schema in requests], [attributes where it is required];
/// ```
///
/// Names of samplers and schedules are text in requests and records, which come from outside: an unknown one is reported
/// together with all other errors. A parameter that is younger than stored tasks has a `serde(default)`. The seed has a group
/// of its own: requests have it, while a task keeps it beside its parameters. The prompt is in no group: a request must have
/// it, a record need not.
#[doc(hidden)]
#[macro_export]
macro_rules! parameters {
    ($then:ident, $($rest:tt)*) => {
        $crate::$then! {
            {
                /// Negative prompt; may be empty.
                negative_prompt: String as String, $crate::Rule::Text($crate::limits::PROMPT_CHARS),
                    [length(max = $crate::limits::PROMPT_CHARS)], [serde(default)];
                /// Sampling steps.
                steps: u32 as u32, $crate::Rule::whole(&$crate::limits::STEPS),
                    [range(min = *$crate::limits::STEPS.start(), max = *$crate::limits::STEPS.end())], [];
                /// Guidance scale; 1 is no guidance.
                cfg_scale: f64 as f64, $crate::Rule::Number($crate::limits::CFG_SCALE),
                    [range(min = *$crate::limits::CFG_SCALE.start(), max = *$crate::limits::CFG_SCALE.end())], [];
                /// Sampling method, by ComfyUI's name.
                sampler: $crate::Sampler as String, $crate::Rule::Name($crate::Sampler::NAMES),
                    [extend("enum" = $crate::Sampler::NAMES)], [];
                /// Noise schedule, by ComfyUI's name, or diffusers' timestep spacing: `leading`, `linspace`, `trailing`.
                scheduler: $crate::Schedule as String, $crate::Rule::Name($crate::Schedule::NAMES),
                    [extend("enum" = $crate::Schedule::NAMES)], [];
            }
            {
                /// Seed of the noise.
                seed: u64 as u64, $crate::Rule::Whole(0..=$crate::limits::SEED),
                    [range(min = 0, max = $crate::limits::SEED)], [];
            }
            {
                /// Width in pixels.
                width: u32 as u32, $crate::Rule::side(),
                    [range(min = *$crate::limits::SIDE_PX.start(), max = *$crate::limits::SIDE_PX.end()), extend("multipleOf" = $crate::limits::SIDE_STEP_PX)], [];
                /// Height in pixels.
                height: u32 as u32, $crate::Rule::side(),
                    [range(min = *$crate::limits::SIDE_PX.start(), max = *$crate::limits::SIDE_PX.end()), extend("multipleOf" = $crate::limits::SIDE_STEP_PX)], [];
            }
            $($rest)*
        }
    };
}

/// Declares a struct with the prompt and every parameter but the seed, each of its own type, and the fields in braces. It
/// converts from and to [`GenerationParameters`] by `new`, `shared` and `set_shared`.
#[macro_export]
macro_rules! with_parameters {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $crate::parameters!(parameters_struct, [$(#[$meta])*] $name { $($own)* });
    };
}

/// [`with_parameters!`] for a struct without serde.
#[macro_export]
macro_rules! with_plain_parameters {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $crate::parameters!(plain_parameters_struct, [$(#[$meta])*] $name { $($own)* });
    };
}

/// Removes serde's attributes, which only its derives understand.
#[doc(hidden)]
#[macro_export]
macro_rules! plain_parameters_struct {
    (
        $({ $($(#[$doc:meta])* $field:ident: $type:ty as $request:ty, $rule:expr, [$($schema:tt)*], [$($required:meta)?];)* })*
        [$(#[$meta:meta])*] $name:ident { $($own:tt)* }
    ) => {
        $crate::parameters_struct! {
            $({ $($(#[$doc])* $field: $type as $request, $rule, [$($schema)*], [];)* })*
            [$(#[$meta])*] $name { $($own)* }
        }
    };
}

/// Declares a struct with the prompt, every parameter as an option, and the fields in braces: a request, which may leave
/// parameters out. `partial` returns the parameters alone.
#[macro_export]
macro_rules! with_request {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $crate::parameters!(request_struct, [$(#[$meta])*] $name { $($own)* });
    };
}

/// Declares a struct with every field as text: the prompt, every parameter, and the fields in braces. A form as it is typed.
#[macro_export]
macro_rules! with_text {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $crate::parameters!(text_struct, [$(#[$meta])*] $name { $($own)* });
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! text_struct {
    (
        $({ $($(#[$doc:meta])* $field:ident: $_type:ty as $_request:ty, $_rule:expr, [$($_schema:tt)*], [$($_required:meta)?];)* })*
        [$(#[$meta:meta])*] $name:ident { $($(#[$own_doc:meta])* pub $own:ident: String,)* }
    ) => {
        $(#[$meta])*
        pub struct $name {
            /// Prompt.
            pub prompt: String,
            $($($(#[$doc])* pub $field: String,)*)*
            $($(#[$own_doc])* pub $own: String,)*
        }

        impl $name {
            /// The parameters by name.
            pub fn parameters(&self) -> Vec<(&'static str, &str)> {
                vec![("prompt", &*self.prompt), $($((stringify!($field), &*self.$field),)*)*]
            }

            /// Every field by name, to be written.
            pub fn all_mut(&mut self) -> Vec<(&'static str, &mut String)> {
                vec![
                    ("prompt", &mut self.prompt),
                    $($((stringify!($field), &mut self.$field),)*)*
                    $((stringify!($own), &mut self.$own),)*
                ]
            }
        }
    };
}

/// Declares a struct with the prompt, every parameter, names of samplers and schedules as text, and the fields in braces: a
/// record of a picture, which another version may have written. `partial` returns the parameters as options.
#[macro_export]
macro_rules! with_record {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $crate::parameters!(record_struct, [$(#[$meta])*] $name { $($own)* });
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! parameters_struct {
    (
        { $($(#[$doc:meta])* $field:ident: $type:ty as $_request:ty, $_rule:expr, [$($_schema:tt)*], [$($required:meta)?];)* }
        { $($_seed:tt)* }
        { $($(#[$doc_2:meta])* $field_2:ident: $type_2:ty as $_request_2:ty, $_rule_2:expr, [$($_schema_2:tt)*], [];)* }
        [$(#[$meta:meta])*] $name:ident { $($(#[$own_doc:meta])* pub $own:ident: $own_type:ty,)* }
    ) => {
        $(#[$meta])*
        pub struct $name {
            /// Prompt.
            pub prompt: String,
            $($(#[$doc])* $(#[$required])? pub $field: $type,)*
            $($(#[$doc_2])* pub $field_2: $type_2,)*
            $($(#[$own_doc])* pub $own: $own_type,)*
        }

        impl $name {
            /// These parameters, and the fields that only this struct has.
            pub fn new(shared: $crate::GenerationParameters $(, $own: $own_type)*) -> Self {
                Self {
                    prompt: shared.prompt,
                    $($field: shared.$field,)*
                    $($field_2: shared.$field_2,)*
                    $($own,)*
                }
            }

            /// Every shared parameter that breaks its rule, in the order of the fields. `BREAK`s are not counted here.
            pub fn errors(&self) -> Vec<$crate::FieldError> {
                let values = [
                    ("prompt", $crate::Value::from(&self.prompt)),
                    $((stringify!($field), $crate::Value::from(&self.$field)),)*
                    $((stringify!($field_2), $crate::Value::from(&self.$field_2)),)*
                ];
                values.into_iter().filter_map(|(field, value)| $crate::rule(field)?.error(field, value)).collect()
            }

            /// Each shared parameter by name, as text.
            pub fn texts(&self) -> Vec<(&'static str, String)> {
                vec![
                    ("prompt", self.prompt.clone()),
                    $((stringify!($field), self.$field.to_string()),)*
                    $((stringify!($field_2), self.$field_2.to_string()),)*
                ]
            }

            /// The same with other shared parameters.
            pub fn with_shared(self, shared: $crate::GenerationParameters) -> Self {
                Self::new(shared $(, self.$own)*)
            }

            /// The parameters that every layer has.
            pub fn shared(&self) -> $crate::GenerationParameters {
                $crate::GenerationParameters {
                    prompt: self.prompt.clone(),
                    $($field: self.$field.clone(),)*
                    $($field_2: self.$field_2.clone(),)*
                }
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! request_struct {
    (
        $({ $($(#[$doc:meta])* $field:ident: $_type:ty as $type:ty, $_rule:expr, [$($schema:tt)*], [$($_required:meta)?];)* })*
        [$(#[$meta:meta])*] $name:ident { $($own:tt)* }
    ) => {
        $(#[$meta])*
        pub struct $name {
            /// Prompt.
            #[cfg_attr(feature = "openapi", schemars(length(max = $crate::limits::PROMPT_CHARS)))]
            pub prompt: String,
            $($(
                $(#[$doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[cfg_attr(feature = "openapi", schemars($($schema)*))]
                pub $field: Option<$type>,
            )*)*
            $($own)*
        }

        impl $name {
            /// The parameters alone.
            pub fn partial(&self) -> $crate::PartialParameters {
                $crate::PartialParameters {
                    prompt: Some(self.prompt.clone()),
                    $($($field: self.$field.clone(),)*)*
                    ..$crate::PartialParameters::default()
                }
            }

            /// A request for these parameters and nothing else; without a prompt, an empty one.
            pub fn from_partial(partial: $crate::PartialParameters) -> Self {
                Self {
                    prompt: partial.prompt.unwrap_or_default(),
                    $($($field: partial.$field,)*)*
                    ..Self::default()
                }
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! record_struct {
    (
        { $($(#[$doc:meta])* $field:ident: $_type:ty as $type:ty, $_rule:expr, [$($_schema:tt)*], [$($required:meta)?];)* }
        { $(#[$doc_2:meta])* seed: $_type_2:ty as $_request_2:ty, $_rule_2:expr, [$($_schema_2:tt)*], []; }
        { $($(#[$doc_3:meta])* $field_3:ident: $_type_3:ty as $type_3:ty, $_rule_3:expr, [$($_schema_3:tt)*], [];)* }
        [$(#[$meta:meta])*] $name:ident { $($(#[$own_doc:meta])* pub $own:ident: $own_type:ty,)* }
    ) => {
        $(#[$meta])*
        pub struct $name {
            /// Prompt.
            pub prompt: String,
            $($(#[$doc])* $(#[$required])? pub $field: $type,)*
            $(#[$doc_2])*
            pub seed: u64,
            $($(#[$doc_3])* pub $field_3: $type_3,)*
            $($(#[$own_doc])* pub $own: $own_type,)*
        }

        impl $name {
            /// The record of these parameters, their seed, and the fields that only this struct has.
            pub fn new(shared: $crate::GenerationParameters, seed: u64 $(, $own: $own_type)*) -> Self {
                Self {
                    prompt: shared.prompt,
                    $($field: shared.$field.into(),)*
                    seed,
                    $($field_3: shared.$field_3.into(),)*
                    $($own,)*
                }
            }

            /// The parameters alone.
            pub fn partial(&self) -> $crate::PartialParameters {
                $crate::PartialParameters {
                    prompt: Some(self.prompt.clone()),
                    $($field: Some(self.$field.clone()),)*
                    seed: Some(self.seed),
                    $($field_3: Some(self.$field_3.clone()),)*
                    ..$crate::PartialParameters::default()
                }
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! partial_struct {
    (
        $({ $($(#[$doc:meta])* $field:ident: $_type:ty as $type:ty, $rule:expr, [$($_schema:tt)*], [$($_required:meta)?];)* })*
    ) => {
        /// Parameters that may be missing: what a request asks for, or what a picture's record says.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(rename = "RecordedSettings"))]
        #[serde(default)]
        pub struct PartialParameters {
            /// Prompt; may be empty.
            pub prompt: Option<String>,
            $($($(#[$doc])* pub $field: Option<$type>,)*)*
            /// The model's name, without folders and file extension; of records only.
            pub model: Option<String>,
            /// Share of a initial picture that was redone; of records only.
            pub strength: Option<f64>,
        }

        impl PartialParameters {
            /// Every field that breaks its rule, in the order of the fields. `BREAK`s are not counted here.
            pub fn errors(&self) -> Vec<FieldError> {
                self.values().into_iter().filter_map(|(field, value)| rule(field)?.error(field, value)).collect()
            }

            /// The parameters that are there, by name.
            pub fn values(&self) -> Vec<(&'static str, Value<'_>)> {
                let all = [
                    ("prompt", self.prompt.as_ref().map(Value::from)),
                    $($((stringify!($field), self.$field.as_ref().map(Value::from)),)*)*
                ];
                all.into_iter().filter_map(|(field, value)| Some((field, value?))).collect()
            }

            /// Each parameter that is there by name, as text; the model too.
            pub fn texts(&self) -> Vec<(&'static str, String)> {
                let text = |(field, value): (_, Value<'_>)| (field, value.to_string());
                self.values().into_iter().map(text).chain(self.model.clone().map(|name| ("model", name))).collect()
            }

            /// Removes a parameter. Returns its value as text; `None` when it was missing, or is none of the parameters.
            pub fn remove(&mut self, name: &str) -> Option<String> {
                match name {
                    "prompt" => self.prompt.take(),
                    $($(stringify!($field) => self.$field.take().map(|value| value.to_string()),)*)*
                    _ => None,
                }
            }

            /// Sets a parameter from its text. Returns whether there is a parameter of that name whose type can be read from
            /// the text; limits are not checked.
            pub fn set(&mut self, name: &str, text: &str) -> bool {
                match name {
                    "prompt" => self.prompt = Some(text.to_owned()),
                    $($(stringify!($field) => match text.parse() {
                        Ok(value) => self.$field = Some(value),
                        Err(_) => return false,
                    },)*)*
                    _ => return false,
                }
                true
            }
        }

        /// The rule of a parameter of the list.
        pub(crate) fn listed_rule(field: &str) -> Option<Rule> {
            Some(match field {
                $($(stringify!($field) => $rule,)*)*
                _ => return None,
            })
        }
    };
}

with_parameters! {
    /// What a picture is made from, the same in every layer, every default filled in. The seed is kept beside it.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct GenerationParameters {}
}
parameters!(partial_struct,);

impl Default for GenerationParameters {
    /// An empty prompt with SDXL's defaults.
    fn default() -> Self {
        Recommended::default().into()
    }
}

impl From<Recommended> for GenerationParameters {
    /// An empty prompt with these settings.
    fn from(of: Recommended) -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: String::new(),
            steps: of.steps,
            cfg_scale: of.cfg_scale,
            sampler: of.sampler,
            scheduler: of.scheduler,
            width: of.width,
            height: of.height,
        }
    }
}

impl PartialParameters {
    /// The parameters with every default filled in: what the model recommends, without a negative prompt. Prompts are trimmed.
    ///
    /// # Errors
    /// Every field that breaks its rule.
    pub fn resolve(self, recommended: &Recommended) -> Result<GenerationParameters, Vec<FieldError>> {
        let errors = self.errors();
        if !errors.is_empty() {
            return Err(errors);
        }
        let of = GenerationParameters::from(recommended.clone());
        let trimmed = |text: Option<String>| text.as_deref().unwrap_or_default().trim().to_owned();
        Ok(GenerationParameters {
            prompt: trimmed(self.prompt),
            negative_prompt: trimmed(self.negative_prompt),
            steps: self.steps.unwrap_or(of.steps),
            cfg_scale: self.cfg_scale.unwrap_or(of.cfg_scale),
            // A name that is not known is an error above.
            sampler: self.sampler.and_then(|name| name.parse().ok()).unwrap_or(of.sampler),
            scheduler: self.scheduler.and_then(|name| name.parse().ok()).unwrap_or(of.scheduler),
            width: self.width.unwrap_or(of.width),
            height: self.height.unwrap_or(of.height),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sampler, limits};

    #[test]
    fn what_is_missing_is_recommended() {
        let asked = PartialParameters { prompt: Some(" a car\n".to_owned()), steps: Some(7), ..Default::default() };
        let recommended = Recommended { sampler: Sampler::Dpmpp2m, ..Recommended::default() };
        let made = asked.resolve(&recommended).expect("within the limits");
        assert_eq!((made.prompt.as_str(), made.steps, made.sampler), ("a car", 7, Sampler::Dpmpp2m));
    }

    #[test]
    fn each_parameter_is_set_from_its_text_and_removed_as_text() {
        let mut partial = PartialParameters::default();
        let texts = [
            ("prompt", "a car"),
            ("negative_prompt", "rain"),
            ("steps", "7"),
            ("cfg_scale", "4.5"),
            ("sampler", "euler"),
            ("scheduler", "karras"),
            ("seed", "42"),
            ("width", "512"),
            ("height", "64"),
        ];
        assert!(texts.iter().all(|(name, text)| partial.set(name, text)));
        assert_eq!(partial.values().len(), texts.len());
        assert_eq!(partial.errors(), []);
        for (name, text) in texts {
            assert_eq!(partial.remove(name).as_deref(), Some(text));
        }
        assert_eq!(partial, PartialParameters::default());
        assert!(!partial.set("steps", "many") && !partial.set("colour", "red"));
    }

    #[test]
    fn every_field_that_breaks_its_rule_is_reported_in_order() {
        let partial = PartialParameters {
            steps: Some(0),
            sampler: Some("eulr".to_owned()),
            seed: Some(limits::SEED + 1),
            width: Some(1001),
            ..Default::default()
        };
        let fields: Vec<_> = partial.errors().into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["steps", "sampler", "seed", "width"]);
        assert_eq!(partial.resolve(&Recommended::default()).expect_err("refused").len(), 4);
    }
}
