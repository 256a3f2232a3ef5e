//! Matches a file's tensors with a checkpoint's layers.

use super::{
    file::LoraFile,
    foreign::foreign,
    keys::{Role, part_of, split, unsupported},
    layer::Layer,
    modules::{Modules, is_of_either},
    scale::{Scales, error},
    types::LoraPlan,
};
use crate::{
    Checkpoint, Error, Family, LoraError, Part, Shape, ignored::lora_ignored, safetensors::Tensor,
    source::family_of_names,
};
use std::collections::BTreeMap;

/// The tensors of one layer under one kind of names.
type Tensors<'a> = BTreeMap<Role, &'a Tensor>;

/// A layer's tensors: under diffusers' names, and under LDM's.
#[derive(Default)]
struct Group<'a> {
    diffusers: Tensors<'a>,
    ldm: Tensors<'a>,
}

impl LoraFile {
    /// Matches every tensor with a layer of the checkpoint's UNet or text encoders. Strict: a tensor is used, ignored by
    /// the published list, or an error.
    ///
    /// # Errors
    /// [`Error::Lora`]: not a LoRA, a LoRA for another model (named if recognised), tensors that match no layer or do not
    /// fit its weight, a layer without one of its tensors, an unsupported kind of change. [`Error::Io`], because alphas
    /// are read.
    pub fn plan(&self, checkpoint: &Checkpoint) -> Result<LoraPlan, Error> {
        self.plan_for(checkpoint.shapes())
    }

    /// Like [`LoraFile::plan`], for a checkpoint with parts of these shapes ([`Checkpoint::shapes`]).
    ///
    /// # Errors
    /// The same as [`LoraFile::plan`].
    pub fn plan_for(&self, shapes: &BTreeMap<Part, Shape>) -> Result<LoraPlan, Error> {
        let fail = |source| Err(error(&self.file, source));
        if !self.tensors().iter().any(|tensor| split(&tensor.name).is_some() || unsupported(&tensor.name).is_some()) {
            let family = family_of_names(self.tensors());
            return fail(LoraError::NotLora { family });
        }
        let of_either = |tensor: &Tensor| split(&tensor.name).is_some_and(|(base, _)| is_of_either(base));
        if !self.tensors().iter().any(of_either) {
            return self.plan_with(shapes, Part::TextEncoder);
        }
        // Only the shapes tell which encoder the file is for.
        self.plan_with(shapes, Part::TextEncoder).or_else(|error| {
            let second = self.plan_with(shapes, Part::TextEncoder2);
            second.map_err(|_| error)
        })
    }

    /// The plan if layers that either text encoder may have are those of `alone`.
    fn plan_with(&self, shapes: &BTreeMap<Part, Shape>, alone: Part) -> Result<LoraPlan, Error> {
        let fail = |source| Err(error(&self.file, source));
        let modules = Modules::of(shapes, alone);
        let mut plan = LoraPlan::default();
        let mut groups: BTreeMap<usize, Group<'_>> = BTreeMap::new();
        let mut unmatched = Vec::new();
        for tensor in self.tensors() {
            let found = split(&tensor.name).and_then(|(base, role)| Some((modules.find(base)?, role)));
            if let Some((found, role)) = found {
                let group = groups.entry(found.module).or_default();
                let tensors = if found.ldm { &mut group.ldm } else { &mut group.diffusers };
                if let Some(first) = tensors.insert(role, tensor) {
                    let layer = modules.all[found.module].path.clone();
                    let (first, second) = (first.name.clone(), tensor.name.clone());
                    return fail(LoraError::Twice { layer, first, second });
                }
            } else if is_ignored(&tensor.name, shapes) {
                plan.ignored.push(tensor.name.clone());
            } else {
                unmatched.push(tensor.name.clone());
            }
        }
        if let Some((kind, tensor)) = unmatched.iter().find_map(|name| Some((unsupported(name)?, name.clone()))) {
            return fail(LoraError::Unsupported { kind, tensor });
        }
        if !unmatched.is_empty() {
            return fail(self.why(LoraError::Unmatched { tensors: unmatched }));
        }
        let scales = Scales::of(&self.file)?;
        for (index, group) in groups {
            let module = &modules.all[index];
            let tensors = if group.diffusers.is_empty() {
                &group.ldm
            } else {
                // As in diffusers, which drops the LDM-numbered tensors of such a file.
                plan.ignored.extend(group.ldm.values().map(|tensor| tensor.name.clone()));
                &group.diffusers
            };
            let delta = Layer { file: &self.file, module, tensors }.delta(&scales).map_err(|error| match error {
                Error::Lora { path, source } if matches!(*source, LoraError::Misshapen { .. }) => {
                    Error::Lora { path, source: Box::new(self.why(*source)) }
                }
                other => other,
            })?;
            plan.layers.entry(module.part).or_default().insert(module.path.clone(), delta);
        }
        if plan.layers.is_empty() {
            return fail(LoraError::Empty);
        }
        Ok(plan)
    }

    /// The error for a file that does not fit: what the file is, if it can be recognised.
    fn why(&self, otherwise: LoraError) -> LoraError {
        if let Some(foreign) = foreign(self.tensors()) {
            return foreign;
        }
        match family_of_names(self.tensors()) {
            Family::Lora | Family::Unknown => otherwise,
            family => LoraError::NotLora { family },
        }
    }
}

/// Whether the published list has this tensor, or it belongs to a text encoder that the checkpoint does not have.
fn is_ignored(name: &str, shapes: &BTreeMap<Part, Shape>) -> bool {
    if lora_ignored(name).is_some() {
        return true;
    }
    let part = split(name).and_then(|(base, _)| part_of(base));
    part.is_some_and(|part| !shapes.contains_key(&part))
}
