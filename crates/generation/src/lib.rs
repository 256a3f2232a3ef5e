//! Parameters of a generation, with their names, limits, defaults and validation.
//!
//! Every layer uses these definitions: the browser's form, the HTTP API, the command line, the database, picture records and
//! the model. A parameter is declared once, in `parameters.rs`. [`parameters!`] puts the
//! declared fields into the structs of other crates.

mod distillation;
pub mod limits;
mod lora;
mod names;
mod nearest;
mod parameters;
mod prediction;
mod preview_method;
mod prompt_syntax;
mod recommended;
mod rule;
mod sampler;
mod schedule;
mod track;

pub use distillation::{Distillation, DistilledSettings};
pub use lora::{Lora, Loras};
pub use names::UnknownName;
pub use nearest::nearest;
pub use parameters::{GenerationParameters, PartialParameters, rule};
pub use prediction::Prediction;
pub use preview_method::PreviewMethod;
pub use prompt_syntax::PromptSyntax;
pub use recommended::{DEFAULT_STRENGTH, Recommended, is_guided};
pub use rule::{FieldError, Rule, Value};
pub use sampler::Sampler;
pub use schedule::Schedule;
pub use track::{Track, TrackChange};
