//! LoRA files with weights, and what they change in each part of a model.

use crate::{Error, HostTensor, LoadError};
use checkpoint::{LayerDelta, LoraFile, LoraPlan, LoraTensor, Part};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

/// A LoRA file, and how strongly it is applied.
#[derive(Clone, Debug)]
pub struct LoraUse {
    /// The open file.
    pub file: Arc<LoraFile>,
    /// Weight for the UNet; 0 leaves it unchanged.
    pub unet_weight: f64,
    /// Weight for both text encoders; 0 leaves them unchanged.
    pub text_weight: f64,
}

impl LoraUse {
    fn weight(&self, part: Part) -> f64 {
        match part {
            Part::Unet => self.unet_weight,
            Part::TextEncoder | Part::TextEncoder2 => self.text_weight,
            Part::Vae | Part::Taesd => 0.0,
        }
    }
}

/// What a set of networks was made from: files by path, length and time of change, with their weights. The order of the
/// request does not count, because sums of numbers in another order are rounded differently.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NetworksKey(Vec<UseKey>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct UseKey {
    path: PathBuf,
    bytes: u64,
    changed: Option<SystemTime>,
    /// The bits of both weights: the UNet's and the text encoders'.
    weights: [u64; 2],
}

impl NetworksKey {
    /// The key, and the uses in its order, without those that change nothing.
    pub(crate) fn of(uses: &[LoraUse]) -> (Self, Vec<LoraUse>) {
        let effective = uses.iter().filter(|of| of.unet_weight != 0.0 || of.text_weight != 0.0);
        let mut keyed: Vec<(UseKey, LoraUse)> = effective.map(|of| (UseKey::of(of), of.clone())).collect();
        keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
        let (keys, uses) = keyed.into_iter().unzip();
        (Self(keys), uses)
    }

    /// Whether it is the base's: no file has an effect.
    pub(crate) fn is_base(&self) -> bool {
        self.0.is_empty()
    }
}

impl UseKey {
    fn of(LoraUse { file, unet_weight, text_weight }: &LoraUse) -> Self {
        let changed = std::fs::metadata(file.path()).and_then(|metadata| metadata.modified()).ok();
        // Without the sum, 0 and -0 would be two keys.
        let weights = [unet_weight + 0.0, text_weight + 0.0].map(f64::to_bits);
        Self { path: file.path().to_owned(), bytes: file.bytes(), changed, weights }
    }
}

/// The files of a set with their plans.
pub(crate) struct SetPlan<'a>(Vec<(&'a LoraUse, LoraPlan)>);

impl<'a> SetPlan<'a> {
    /// Plans each file with `plan`.
    ///
    /// # Errors
    /// A file that is not a LoRA of this model.
    pub(crate) fn new(
        uses: &'a [LoraUse],
        plan: impl Fn(&LoraFile) -> Result<LoraPlan, checkpoint::Error>,
    ) -> Result<Self, Error> {
        let planned = uses.iter().map(|of| Ok((of, plan(&of.file).map_err(LoadError::from)?)));
        Ok(Self(planned.collect::<Result<_, LoadError>>()?))
    }

    /// All changes of a part by layer, without files whose weight for it is 0.
    pub(crate) fn changes(&self, part: Part) -> BTreeMap<&str, Vec<Change<'_>>> {
        let mut changes: BTreeMap<&str, Vec<Change<'_>>> = BTreeMap::new();
        for (of, plan) in &self.0 {
            let weight = of.weight(part);
            let layers = plan.layers.get(&part).filter(|_| weight != 0.0);
            for (name, delta) in layers.into_iter().flatten() {
                changes.entry(name).or_default().push(Change { file: &of.file, delta, weight });
            }
        }
        changes
    }
}

/// What one file changes in one layer.
pub(crate) struct Change<'a> {
    file: &'a LoraFile,
    pub(super) delta: &'a LayerDelta,
    pub(super) weight: f64,
}

impl Change<'_> {
    pub(super) fn has_weight(&self) -> bool {
        self.delta.weight.is_some()
    }

    pub(super) fn has_bias(&self) -> bool {
        self.delta.bias.is_some()
    }

    pub(super) fn file_name(&self) -> String {
        file_name(self.file.path())
    }

    /// Reads one of the file's tensors.
    pub(super) fn read(&self, tensor: &LoraTensor) -> Result<HostTensor, LoadError> {
        let data = self.file.read(tensor)?;
        match data.len() == tensor.elements() {
            true => Ok(HostTensor { shape: tensor.shape.clone(), data }),
            false => Err(LoadError::LoraShape { layer: tensor.name.clone(), file: self.file_name() }),
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
