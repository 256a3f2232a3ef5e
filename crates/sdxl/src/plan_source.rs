//! A checkpoint's load plan as a [`Source`].

use crate::{LoadError, Loader, Source, Weights};
use burn::tensor::{DType, Device, TensorData};
use checkpoint::{Checkpoint, Entry, Part};
use half::{bf16, f16};
use std::collections::HashMap;

/// Reads one part's parameters from a checkpoint, as its plan says.
struct PlanSource<'c> {
    checkpoint: &'c Checkpoint,
    entries: HashMap<String, Entry>,
}

impl Source for PlanSource<'_> {
    fn names(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.entries.get(name).map(|entry| entry.shape.clone())
    }

    fn read(&mut self, name: &str, dtype: DType) -> Result<TensorData, LoadError> {
        let Some(entry) = self.entries.get(name) else {
            return Err(LoadError::Missing { name: name.to_owned() });
        };
        let shape = entry.shape.clone();
        Ok(match dtype {
            DType::F16 => TensorData::new(self.checkpoint.read::<f16>(entry)?, shape),
            DType::BF16 => TensorData::new(self.checkpoint.read::<bf16>(entry)?, shape),
            _ => TensorData::new(self.checkpoint.read::<f32>(entry)?, shape),
        })
    }
}

/// Builds one part of `checkpoint` with `build`, in `dtype` on `device`: every parameter of the plan is
/// taken by exactly one parameter of the module, or it is an error. `progress(done, total)` counts tensors.
///
/// # Errors
/// A part that the checkpoint lacks, a plan that does not match, a tensor that cannot be read.
pub fn load_part<T>(
    checkpoint: &Checkpoint,
    part: Part,
    device: &Device,
    dtype: DType,
    progress: &mut dyn FnMut(usize, usize),
    build: impl FnOnce(Weights) -> Result<T, LoadError>,
) -> Result<T, LoadError> {
    let entries = checkpoint.plan(part)?.entries.into_iter().map(|entry| (entry.target.clone(), entry)).collect();
    let mut source = PlanSource { checkpoint, entries };
    let mut loader = Loader::new(part.folder(), &mut source, device, dtype, progress);
    let module = build(loader.root())?;
    loader.finish()?;
    Ok(module)
}
