//! The list of a generation's parameters, and the structs generated from it.
//!
//! To add a parameter, add here an entry in `parameters!` and its default in `PartialParameters::or_recommended`. Then add its
//! use in the model, its form field and its command-line option. CONTRIBUTING.md lists the places.

use crate::{FieldError, Loras, PreviewMethod, Recommended, Rule, Value, limits};
use serde::{Deserialize, Serialize};

/// Declares a struct with the parameters of a generation, so that each is written once. The prompt comes first, and the
/// fields in braces last. The word before the struct says what the parameters are in it:
///
/// - `required`: values, without the seed, which a task stores separately. `new`, `shared` and `with_shared` convert from and
///   to [`GenerationParameters`](crate::GenerationParameters).
/// - `plain`: the same, for a struct without serde.
/// - `request`: options. `partial` and `from_partial` convert from and to [`PartialParameters`](crate::PartialParameters).
/// - `record`: values with the seed. Names of samplers and schedules are text, because another version may have written
///   the record. `partial` returns the parameters as options.
/// - `text`: the text of a form's fields.
///
/// Format of an entry in the list:
///
/// ```text
/// /// What it is.
/// name: Type as RequestType, rule, [JSON schema in requests], [attributes where it is required];
/// ```
///
/// Requests and records come from outside, so names of samplers and schedules are text there: an unknown one is
/// reported together with all other errors. A parameter that was added after tasks were stored has a `serde(default)`.
/// The seed has its own group, and the prompt is in none: it is required in a request and optional in a record.
#[macro_export]
macro_rules! parameters {
    (@list $kind:ident $($rest:tt)*) => {
        $crate::parameters! {
            @$kind
            {
                /// Negative prompt; may be empty.
                negative_prompt: String as String, $crate::Rule::Text($crate::limits::PROMPT_CHARS),
                    [length(max = $crate::limits::PROMPT_CHARS)], [serde(default)];
                /// Sampling steps.
                steps: u32 as u32, $crate::Rule::whole(&$crate::limits::STEPS),
                    [range(min = *$crate::limits::STEPS.start(), max = *$crate::limits::STEPS.end())], [];
                /// Guidance scale. Values up to 1 mean no guidance: the negative prompt has no effect.
                cfg_scale: f64 as f64, $crate::Rule::Number($crate::limits::CFG_SCALE),
                    [range(min = *$crate::limits::CFG_SCALE.start(), max = *$crate::limits::CFG_SCALE.end())], [];
                /// Share of the guided prediction's contrast that is removed (diffusers' `guidance_rescale`). 0.7 suits
                /// models with zero terminal SNR; 0 removes none.
                cfg_rescale: f64 as f64, $crate::Rule::Number($crate::limits::CFG_RESCALE),
                    [range(min = *$crate::limits::CFG_RESCALE.start(), max = *$crate::limits::CFG_RESCALE.end())],
                    [serde(default)];
                /// Sampling method, by ComfyUI's name.
                sampler: $crate::Sampler as String, $crate::Rule::Name($crate::Sampler::NAMES),
                    [extend("enum" = $crate::Sampler::NAMES)], [];
                /// Noise schedule, by ComfyUI's name, or diffusers' timesteps: `leading`, `linspace`, `trailing`, `lcm`.
                scheduler: $crate::Schedule as String, $crate::Rule::Name($crate::Schedule::NAMES),
                    [extend("enum" = $crate::Schedule::NAMES)], [];
                /// LoRA files with their weights. Those that the prompt names are not listed here.
                loras: $crate::Loras as $crate::Loras, $crate::Rule::Loras,
                    [extend("maxItems" = $crate::limits::LORAS)], [serde(default)];
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

    // serde's attributes are only valid with its derives.
    (
        @plain
        $({ $($(#[$doc:meta])* $field:ident: $type:ty as $request:ty, $rule:expr, [$($schema:tt)*], [$($required:meta)?];)* })*
        [$(#[$meta:meta])*] $name:ident { $($own:tt)* }
    ) => {
        $crate::parameters! {
            @required
            $({ $($(#[$doc])* $field: $type as $request, $rule, [$($schema)*], [];)* })*
            [$(#[$meta])*] $name { $($own)* }
        }
    };

    (
        @required
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
            /// Combines the shared parameters with this struct's own fields.
            #[allow(clippy::too_many_arguments, reason = "one argument for each field")]
            pub fn new(shared: $crate::GenerationParameters $(, $own: $own_type)*) -> Self {
                Self {
                    prompt: shared.prompt,
                    $($field: shared.$field,)*
                    $($field_2: shared.$field_2,)*
                    $($own,)*
                }
            }

            /// Errors of all shared parameters, in field order. The number of `BREAK`s is not checked.
            pub fn errors(&self) -> Vec<$crate::FieldError> {
                let values = [
                    ("prompt", $crate::Value::from(&self.prompt)),
                    $((stringify!($field), $crate::Value::from(&self.$field)),)*
                    $((stringify!($field_2), $crate::Value::from(&self.$field_2)),)*
                ];
                values.into_iter().filter_map(|(field, value)| $crate::rule(field)?.error(field, value)).collect()
            }

            /// Name and text of each shared parameter.
            pub fn texts(&self) -> Vec<(&'static str, String)> {
                vec![
                    ("prompt", self.prompt.clone()),
                    $((stringify!($field), self.$field.to_string()),)*
                    $((stringify!($field_2), self.$field_2.to_string()),)*
                ]
            }

            /// Returns the struct with other shared parameters.
            pub fn with_shared(self, shared: $crate::GenerationParameters) -> Self {
                Self::new(shared $(, self.$own)*)
            }

            /// The parameters that all layers share.
            pub fn shared(&self) -> $crate::GenerationParameters {
                $crate::GenerationParameters {
                    prompt: self.prompt.clone(),
                    $($field: self.$field.clone(),)*
                    $($field_2: self.$field_2.clone(),)*
                }
            }
        }
    };

    (
        @request
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
            /// The parameters as options.
            pub fn partial(&self) -> $crate::PartialParameters {
                $crate::PartialParameters {
                    prompt: Some(self.prompt.clone()),
                    $($($field: self.$field.clone(),)*)*
                    ..$crate::PartialParameters::default()
                }
            }

            /// A request with these parameters and no other fields. A missing prompt becomes an empty one.
            pub fn from_partial(partial: $crate::PartialParameters) -> Self {
                Self {
                    prompt: partial.prompt.unwrap_or_default(),
                    $($($field: partial.$field,)*)*
                    ..Self::default()
                }
            }
        }
    };

    (
        @record
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
            /// Combines the parameters, their seed, and this struct's own fields.
            #[allow(clippy::too_many_arguments, reason = "one argument for each field")]
            pub fn new(shared: $crate::GenerationParameters, seed: u64 $(, $own: $own_type)*) -> Self {
                Self {
                    prompt: shared.prompt,
                    $($field: shared.$field.into(),)*
                    seed,
                    $($field_3: shared.$field_3.into(),)*
                    $($own,)*
                }
            }

            /// The parameters as options.
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

    (
        @text
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
            /// Name and text of each parameter.
            pub fn parameters(&self) -> Vec<(&'static str, &str)> {
                vec![("prompt", &*self.prompt), $($((stringify!($field), &*self.$field),)*)*]
            }

            /// Name and mutable text of each field.
            pub fn all_mut(&mut self) -> Vec<(&'static str, &mut String)> {
                vec![
                    ("prompt", &mut self.prompt),
                    $($((stringify!($field), &mut self.$field),)*)*
                    $((stringify!($own), &mut self.$own),)*
                ]
            }
        }
    };

    (
        @partial
        $({ $($(#[$doc:meta])* $field:ident: $_type:ty as $type:ty, $rule:expr, [$($_schema:tt)*], [$($_required:meta)?];)* })*
    ) => {
        /// Parameters that may be missing, from a request or a picture's record.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(rename = "RecordedSettings"))]
        #[serde(default)]
        pub struct PartialParameters {
            /// Prompt. May be empty.
            pub prompt: Option<String>,
            $($($(#[$doc])* pub $field: Option<$type>,)*)*
            /// Model name, without folders and file extension. Only in records.
            pub model: Option<String>,
            /// Share of an initial picture that was redrawn. Only in records.
            pub strength: Option<f64>,
        }

        impl PartialParameters {
            /// Errors of all fields, in field order. The number of `BREAK`s is not checked.
            pub fn errors(&self) -> Vec<FieldError> {
                self.values().into_iter().filter_map(|(field, value)| rule(field)?.error(field, value)).collect()
            }

            /// Name and value of each parameter that is present.
            pub fn values(&self) -> Vec<(&'static str, Value<'_>)> {
                let all = [
                    ("prompt", self.prompt.as_ref().map(Value::from)),
                    $($((stringify!($field), self.$field.as_ref().map(Value::from)),)*)*
                ];
                all.into_iter().filter_map(|(field, value)| Some((field, value?))).collect()
            }

            /// Name and text of each parameter that is present, the model included.
            pub fn texts(&self) -> Vec<(&'static str, String)> {
                let text = |(field, value): (_, Value<'_>)| (field, value.to_string());
                self.values().into_iter().map(text).chain(self.model.clone().map(|name| ("model", name))).collect()
            }

            /// Removes a parameter. Returns its value as text; `None` if it was missing or is not a parameter.
            pub fn remove(&mut self, name: &str) -> Option<String> {
                match name {
                    "prompt" => self.prompt.take(),
                    "model" => self.model.take(),
                    "strength" => self.strength.take().map(|value| value.to_string()),
                    $($(stringify!($field) => self.$field.take().map(|value| value.to_string()),)*)*
                    _ => None,
                }
            }

            /// Sets a parameter from text. Returns `false` if the name is unknown or the text cannot be parsed. Limits
            /// are not checked.
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

        /// The rule of a parameter in the list.
        fn listed_rule(field: &str) -> Option<Rule> {
            Some(match field {
                $($(stringify!($field) => $rule,)*)*
                _ => return None,
            })
        }
    };

    ($kind:ident $(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $crate::parameters! { @list $kind [$(#[$meta])*] $name { $($own)* } }
    };
}

parameters! {
    required
    /// Parameters of a generation with all defaults filled in, the same in every layer. The seed is stored separately.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct GenerationParameters {}
}
parameters! { @list partial }

impl Default for GenerationParameters {
    /// An empty prompt with SDXL's defaults.
    fn default() -> Self {
        Recommended::default().into()
    }
}

impl From<Recommended> for GenerationParameters {
    /// An empty prompt with the recommended settings.
    fn from(of: Recommended) -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: String::new(),
            steps: of.steps,
            cfg_scale: of.cfg_scale,
            cfg_rescale: of.cfg_rescale,
            sampler: of.sampler,
            scheduler: of.scheduler,
            loras: Loras::default(),
            width: of.width,
            height: of.height,
        }
    }
}

impl PartialParameters {
    /// Fills in missing parameters: the model's recommended settings, and an empty negative prompt. Prompts are
    /// trimmed.
    ///
    /// # Errors
    /// All fields with invalid values.
    pub fn resolve(self, recommended: &Recommended) -> Result<GenerationParameters, Vec<FieldError>> {
        let errors = self.errors();
        if errors.is_empty() { Ok(self.or_recommended(recommended)) } else { Err(errors) }
    }

    /// As [`PartialParameters::resolve`], for parameters whose errors were checked. An unknown sampler or schedule becomes the
    /// recommended one.
    pub fn or_recommended(self, recommended: &Recommended) -> GenerationParameters {
        let of = GenerationParameters::from(recommended.clone());
        let trimmed = |text: Option<String>| text.as_deref().unwrap_or_default().trim().to_owned();
        GenerationParameters {
            prompt: trimmed(self.prompt),
            negative_prompt: trimmed(self.negative_prompt),
            steps: self.steps.unwrap_or(of.steps),
            cfg_scale: self.cfg_scale.unwrap_or(of.cfg_scale),
            cfg_rescale: self.cfg_rescale.unwrap_or(of.cfg_rescale),
            sampler: self.sampler.and_then(|name| name.parse().ok()).unwrap_or(of.sampler),
            scheduler: self.scheduler.and_then(|name| name.parse().ok()).unwrap_or(of.scheduler),
            loras: self.loras.unwrap_or(of.loras),
            width: self.width.unwrap_or(of.width),
            height: self.height.unwrap_or(of.height),
        }
    }
}

/// The rule of a parameter or another request field. `None` for fields without limits of their own (ids, the model's
/// name).
pub fn rule(field: &str) -> Option<Rule> {
    Some(match field {
        "prompt" => Rule::Text(limits::PROMPT_CHARS),
        "strength" => Rule::Number(limits::STRENGTH),
        "num_variants" => Rule::whole(&limits::NUM_VARIANTS),
        "pause_at" => Rule::whole(&limits::PAUSE_AT),
        "preview_interval_ms" => Rule::whole(&limits::PREVIEW_INTERVAL_MS),
        "preview_method" => Rule::Name(PreviewMethod::NAMES),
        _ => return listed_rule(field),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sampler;

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
            ("cfg_rescale", "0.7"),
            ("sampler", "euler"),
            ("scheduler", "karras"),
            ("loras", r#"[{"name":"ink","unet_weight":0.7}]"#),
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
