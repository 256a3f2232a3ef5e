//! Validation rules of fields, used for checks and error messages.

use crate::{Loras, Sampler, Schedule, limits, names::shortened};
use std::{fmt, ops::RangeInclusive};

/// The values that a field allows.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// A text with at most this many characters. NUL is not allowed, because PostgreSQL cannot store it.
    Text(usize),
    /// An integer in this range.
    Whole(RangeInclusive<u64>),
    /// A number in this range.
    Number(RangeInclusive<f64>),
    /// A multiple of `step` within `bounds`.
    Multiple {
        /// Minimum and maximum.
        bounds: RangeInclusive<u64>,
        /// The value must be a multiple of this.
        step: u64,
    },
    /// One of these names.
    Name(&'static [&'static str]),
    /// LoRA files with names, weights and hashes within their limits.
    Loras,
}

/// A field's value, as input for [`Rule::check`].
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A text or a name.
    Text(&'a str),
    /// An integer.
    Whole(u64),
    /// A number.
    Number(f64),
    /// LoRA files.
    Loras(&'a Loras),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Whole(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Loras(loras) => loras.fmt(f),
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

impl<'a> From<&'a Loras> for Value<'a> {
    fn from(loras: &'a Loras) -> Self {
        Self::Loras(loras)
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

/// A field whose value is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct FieldError {
    /// Name of the field.
    pub field: &'static str,
    /// The rule and the invalid value, shortened. Of a text that is too long, only its length.
    pub message: String,
}

impl Rule {
    /// Rule for an integer in this range.
    pub fn whole(bounds: &RangeInclusive<u32>) -> Self {
        Self::Whole(u64::from(*bounds.start())..=u64::from(*bounds.end()))
    }

    /// Rule for a picture's width or height in pixels.
    pub fn side() -> Self {
        let bounds = limits::SIDE_PX;
        Self::Multiple { bounds: (*bounds.start()).into()..=(*bounds.end()).into(), step: limits::SIDE_STEP_PX.into() }
    }

    /// Checks a field's value. Returns `None` if it is allowed.
    pub fn error(&self, field: &'static str, value: Value<'_>) -> Option<FieldError> {
        self.check(value).map(|message| FieldError { field, message })
    }

    /// The rule as a phrase for error messages: "must be a whole number from 1 to 1000".
    pub fn expected(&self) -> String {
        match self {
            Self::Text(chars) => format!("must be a text of at most {chars} characters"),
            Self::Whole(bounds) => format!("must be a whole number from {} to {}", bounds.start(), bounds.end()),
            Self::Number(bounds) => format!("must be a number from {} to {}", bounds.start(), bounds.end()),
            Self::Multiple { bounds, step } => {
                format!("must be a multiple of {step} from {} to {}", bounds.start(), bounds.end())
            }
            Self::Name(names) => format!("must be one of {}", names.join(", ")),
            Self::Loras => format!("must be at most {} LoRA files with their weights", limits::LORAS),
        }
    }

    /// Checks a value. Returns the error message, or `None` if it is allowed. A value of the wrong type is not allowed.
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
            (Self::Loras, Value::Loras(loras)) => return loras.error(),
            // NaN is outside every range.
            (Self::Number(bounds), Value::Number(number)) => (bounds.contains(&number), number.to_string()),
            (Self::Multiple { bounds, step }, Value::Whole(number)) => {
                (bounds.contains(&number) && number.is_multiple_of(*step), number.to_string())
            }
            (Self::Name(names), Value::Text(name)) => (names.contains(&name), format!("\"{}\"", shortened(name))),
            (_, Value::Text(text)) => (false, shortened(text)),
            (_, Value::Whole(number)) => (false, number.to_string()),
            (_, Value::Number(number)) => (false, number.to_string()),
            (_, Value::Loras(loras)) => (false, format!("{} LoRA files", loras.len())),
        };
        (!is_allowed).then(|| format!("{}, not {shown}", self.expected()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_allowed_and_what_lies_beyond_is_not() {
        let check = |field, value| crate::rule(field).expect("known").check(value);
        for (field, good, bad) in [
            ("steps", [1, 1000], [0, 1001]),
            ("seed", [0, limits::SEED], [limits::SEED + 1, u64::MAX]),
            ("width", [64, 2048], [60, 2056]),
            ("height", [64, 1000], [63, 1001]),
            ("num_variants", [1, 16], [0, 17]),
            ("pause_at", [1, 999], [0, 1000]),
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
        assert_eq!(crate::rule("colour"), None);
    }
}
