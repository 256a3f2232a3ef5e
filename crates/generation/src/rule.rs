//! What a field may hold, in one place for checks and for messages.

use crate::{PreviewMethod, Sampler, Schedule, limits, names::shortened};
use std::{fmt, ops::RangeInclusive};

/// What a field may hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// A text of at most so many characters, without the character NUL, which PostgreSQL does not store.
    Text(usize),
    /// A whole number.
    Whole(RangeInclusive<u64>),
    /// A number.
    Number(RangeInclusive<f64>),
    /// A multiple of `step` from `bounds`.
    Multiple {
        /// Least and largest value.
        bounds: RangeInclusive<u64>,
        /// The value is a multiple of this.
        step: u64,
    },
    /// One of these names.
    Name(&'static [&'static str]),
}

/// A field's value as [`Rule::check`] sees it.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A text or a name.
    Text(&'a str),
    /// A whole number.
    Whole(u64),
    /// A number.
    Number(f64),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Whole(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<&u32> for Value<'_> {
    fn from(number: &u32) -> Self {
        Self::Whole((*number).into())
    }
}

impl From<&u64> for Value<'_> {
    fn from(number: &u64) -> Self {
        Self::Whole(*number)
    }
}

impl From<&f64> for Value<'_> {
    fn from(number: &f64) -> Self {
        Self::Number(*number)
    }
}

impl From<&Sampler> for Value<'_> {
    fn from(sampler: &Sampler) -> Self {
        Self::Text(sampler.as_str())
    }
}

impl From<&Schedule> for Value<'_> {
    fn from(schedule: &Schedule) -> Self {
        Self::Text(schedule.as_str())
    }
}

/// A field that breaks its rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct FieldError {
    /// The field.
    pub field: &'static str,
    /// The limit, and the value where it is short.
    pub message: String,
}

impl Rule {
    /// A whole number within bounds.
    pub fn whole(bounds: &RangeInclusive<u32>) -> Self {
        Self::Whole(u64::from(*bounds.start())..=u64::from(*bounds.end()))
    }

    /// A picture's side in pixels.
    pub fn side() -> Self {
        let bounds = limits::SIDE_PX;
        Self::Multiple { bounds: (*bounds.start()).into()..=(*bounds.end()).into(), step: limits::SIDE_STEP_PX.into() }
    }

    /// The error of a field that holds `value`; none when it is allowed.
    pub fn error(&self, field: &'static str, value: Value<'_>) -> Option<FieldError> {
        self.check(value).map(|message| FieldError { field, message })
    }

    /// The rule as a sentence without its subject: "must be a whole number from 1 to 1000".
    pub fn expected(&self) -> String {
        match self {
            Self::Text(chars) => format!("must be a text of at most {chars} characters"),
            Self::Whole(bounds) => format!("must be a whole number from {} to {}", bounds.start(), bounds.end()),
            Self::Number(bounds) => format!("must be a number from {} to {}", bounds.start(), bounds.end()),
            Self::Multiple { bounds, step } => {
                format!("must be a multiple of {step} from {} to {}", bounds.start(), bounds.end())
            }
            Self::Name(names) => format!("must be one of {}", names.join(", ")),
        }
    }

    /// What is wrong with a value; none when it is allowed. A value of another kind than the rule's is not.
    pub fn check(&self, value: Value<'_>) -> Option<String> {
        let (is_allowed, shown) = match (self, value) {
            (Self::Text(chars), Value::Text(text)) => {
                let count = text.chars().count();
                if count > *chars {
                    return Some(format!("must be at most {chars} characters long, not {count}"));
                }
                return text.contains('\0').then(|| "must not contain the character NUL".to_owned());
            }
            (Self::Whole(bounds), Value::Whole(number)) => (bounds.contains(&number), number.to_string()),
            // Not a number is in no range.
            (Self::Number(bounds), Value::Number(number)) => (bounds.contains(&number), number.to_string()),
            (Self::Multiple { bounds, step }, Value::Whole(number)) => {
                (bounds.contains(&number) && number.is_multiple_of(*step), number.to_string())
            }
            (Self::Name(names), Value::Text(name)) => (names.contains(&name), format!("\"{}\"", shortened(name))),
            (_, Value::Text(text)) => (false, shortened(text)),
            (_, Value::Whole(number)) => (false, number.to_string()),
            (_, Value::Number(number)) => (false, number.to_string()),
        };
        (!is_allowed).then(|| format!("{}, not {shown}", self.expected()))
    }
}

/// The rule of a field: of a parameter, or of another field that a request for pictures has. None for fields whose values
/// are not bounded by themselves (ids, the model's name).
pub fn rule(field: &str) -> Option<Rule> {
    Some(match field {
        "prompt" => Rule::Text(limits::PROMPT_CHARS),
        "strength" => Rule::Number(limits::STRENGTH),
        "num_variants" => Rule::whole(&limits::NUM_VARIANTS),
        "preview_interval_ms" => Rule::whole(&limits::PREVIEW_INTERVAL_MS),
        "preview_method" => Rule::Name(PreviewMethod::NAMES),
        _ => return crate::parameters::listed_rule(field),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_allowed_and_what_lies_beyond_is_not() {
        let check = |field, value| rule(field).expect("known").check(value);
        for (field, good, bad) in [
            ("steps", [1, 1000], [0, 1001]),
            ("seed", [0, limits::SEED], [limits::SEED + 1, u64::MAX]),
            ("width", [64, 2048], [60, 2056]),
            ("height", [64, 1000], [63, 1001]),
            ("num_variants", [1, 16], [0, 17]),
        ] {
            assert!(good.into_iter().all(|number| check(field, Value::Whole(number)).is_none()), "{field}");
            assert!(bad.into_iter().all(|number| check(field, Value::Whole(number)).is_some()), "{field}");
        }
        assert!(check("cfg_scale", Value::Number(f64::NAN)).is_some());
        assert_eq!(
            check("steps", Value::Whole(1001)).as_deref(),
            Some("must be a whole number from 1 to 1000, not 1001")
        );
        assert!(check("sampler", Value::Text("eulr")).expect("refused").ends_with(", not \"eulr\""));
        assert_eq!(rule("colour"), None);
    }
}
