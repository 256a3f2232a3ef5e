//! Enums with fixed names, used in the command line, JSON, database and form.

/// An unknown name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {kind} \"{}\"; choose one of {}", shortened(.name), .allowed.join(", "))]
pub struct UnknownName {
    /// Kind of name: "sampler", "schedule", "preview method", "prompt syntax".
    pub kind: &'static str,
    /// The unknown name, as given.
    pub name: String,
    /// All allowed names.
    pub allowed: &'static [&'static str],
}

/// The name on one line, with at most 40 characters: it is user input.
pub(crate) fn shortened(name: &str) -> String {
    const MOST: usize = 40;
    let mut short: String = name.chars().take(MOST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if name.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}

/// Declares an enum with a name for each variant. Generates `ALL`, `NAMES`, `as_str`, `Display`, `FromStr`, and serde
/// with the same names.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident, $kind:literal: $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $name)] $variant,)+
        }

        impl $type {
            /// All values, in display order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// All names, in the same order.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The name.
            pub fn as_str(self) -> &'static str {
                Self::NAMES[self as usize]
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.as_str().to_owned()
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                let place = Self::NAMES.iter().position(|known| *known == name);
                let unknown = || $crate::UnknownName { kind: $kind, name: name.to_owned(), allowed: Self::NAMES };
                place.map(|place| Self::ALL[place]).ok_or_else(unknown)
            }
        }
    };
}
pub(crate) use named;
