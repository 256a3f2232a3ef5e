//! Names of samplers and schedules, as they come from outside.

/// A name that is none of those known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {kind} \"{}\"; choose one of {}", shortened(.name), .allowed.join(", "))]
pub struct UnknownName {
    /// What was asked for: "sampler" or "schedule".
    pub kind: &'static str,
    /// The name as it was given.
    pub name: String,
    /// Every name that is known.
    pub allowed: &'static [&'static str],
}

/// At most 40 characters: the name comes from outside and ends in a one-line message.
fn shortened(name: &str) -> String {
    const MOST: usize = 40;
    let mut short: String = name.chars().take(MOST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if name.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}

/// An enum whose variants have fixed names: `ALL`, `NAMES`, `name`, `Display`, `FromStr`.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident, $kind:literal: $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $type {
            /// Every one, in the order in which they are offered.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The names, in the same order.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// Its name, as `FromStr` reads it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                match name {
                    $($name => Ok(Self::$variant),)+
                    _ => Err($crate::UnknownName { kind: $kind, name: name.to_owned(), allowed: Self::NAMES }),
                }
            }
        }
    };
}
pub(crate) use named;
