//! The prompt language of AUTOMATIC1111's web UI (A1111).
//!
//! A prompt is read in A1111's order:
//!
//! 1. [`networks`]: `<lora:name:weight>` tags are cut out.
//! 2. [`composition`]: the prompt is split at `AND` into parts with weights. A negative prompt is not split.
//! 3. [`schedule`]: `[a:b:when]` and `[a|b]` become one text for each range of steps.
//! 4. [`parse`]: emphasis and `BREAK` of each text.
//!
//! [`Plan`] does 1 to 3. Before, when a task is made, [`template`] expands choices and wildcards. In [`PromptSyntax::Plain`] a prompt is one text without syntax.

pub mod composition;
mod edited;
mod emphasis;
pub mod networks;
mod plan;
pub mod schedule;
pub mod styles;
pub mod template;
mod words;

pub use edited::{edited, edited_by};
pub use emphasis::{Segment, parse};
pub use generation::PromptSyntax;
pub use plan::{Part, Plan, evaluations};
pub use words::{in_word, words};
