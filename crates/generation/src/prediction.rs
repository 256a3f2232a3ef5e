//! Prediction types.

use crate::names::named;

named! {
    /// What a network predicts, with diffusers' names.
    #[derive(Default)]
    Prediction, "prediction type":
    /// The noise.
    #[default]
    Epsilon = "epsilon",
    /// The velocity `v = alpha * noise - sigma * x0` (Salimans and Ho, 2022).
    V = "v_prediction",
}

impl Prediction {
    /// The name on the command line and in reports: `epsilon` or `v`.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Epsilon => "epsilon",
            Self::V => "v",
        }
    }
}
