//! Ids. Each resource has its own type, so that a frame's id cannot be used as a task's.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(inline))]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map(Self)
            }
        }
    )+};
}

ids! {
    /// Id of a project. Never reused, even after the project is gone.
    ProjectId
    /// Id of a frame: a position on a project's timeline.
    FrameId
    /// Id of a task: one generation.
    TaskId
    /// Id of a take: the picture that a task makes for a frame.
    TakeId
    /// Id of a style: a named prompt snippet.
    StyleId
    /// Id of an export: a sequence as a single file.
    ExportId
}
