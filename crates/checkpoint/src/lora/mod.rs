//! LoRA files and their relatives, in every key layout that SDXL's trainers write.

mod file;
mod foreign;
mod keys;
mod layer;
mod modules;
mod plan;
mod report;
mod scale;
mod types;

pub use file::LoraFile;
pub use report::{LoraBase, LoraKind, LoraReport, TriggerWord, trained_tags};
pub use types::{Dora, DoraAxis, Factor, LayerDelta, LoraPlan, LoraTensor, WeightDelta};
