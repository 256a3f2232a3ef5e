//! Checks whether a picture fits into memory. The system kills a process that exceeds its limit, with all its tasks.

use super::limits::{self, Limit};
use checkpoint::{Checkpoint, Part, Shape};
use protocol::{Parameters, Recommended};
use sdxl::{MemoryEstimate, MemorySettings};
use std::collections::BTreeMap;

/// Memory for a picture, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Need {
    /// Lower bound: three quarters of the estimate, so that no picture is refused that might fit.
    least: u64,
    /// Likely size: the weights, 1.5 times the estimate for the rest (the allocator keeps freed blocks), and the server.
    /// Starter model at 1024 x 1024: measured 755 MB, estimated 440 MB, here 771 MB.
    about: u64,
}

/// Memory of the server without a model, bytes.
const SERVER: u64 = 128 << 20;

impl Need {
    fn new(weights: u64, peak: u64) -> Self {
        let rest = peak.saturating_sub(weights);
        let about = weights.saturating_add(rest).saturating_add(rest / 2).saturating_add(SERVER);
        Self { least: peak / 4 * 3, about }
    }
}

/// The sizes of a model's tensors, for estimates at any picture size.
#[derive(Debug)]
pub(crate) struct Footprint {
    shapes: BTreeMap<Part, Shape>,
    narrow: BTreeMap<Part, u64>,
}

/// Result of the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fits,
    /// It may exceed the memory: a warning.
    Tight(String),
    /// It would exceed the memory: refused.
    TooLarge(String),
}

impl Footprint {
    /// For a model on the CPU, with replaced parts. None for a model that cannot be loaded; loading reports the error.
    pub(crate) fn new(checkpoint: &Checkpoint, vae: Option<&Checkpoint>, taesd: Option<&Checkpoint>) -> Option<Self> {
        let (mut shapes, mut narrow) = (BTreeMap::new(), BTreeMap::new());
        for part in Part::ALL {
            let source = match part {
                Part::Vae => vae.unwrap_or(checkpoint),
                Part::Taesd => taesd.unwrap_or(checkpoint),
                Part::TextEncoder | Part::TextEncoder2 | Part::Unet => checkpoint,
            };
            if source.has(part) {
                shapes.insert(part, shape(source, part)?);
                narrow.insert(part, source.plan(part).ok()?.narrow_parameters());
            }
        }
        Some(Self { shapes, narrow })
    }

    fn estimate(&self, [width, height]: [u32; 2], cfg_scale: f64) -> Option<MemoryEstimate> {
        let batch = if diffusion::is_guided(cfg_scale) { 2 } else { 1 };
        let settings = MemorySettings { batch, ..MemorySettings::processor(width, height) };
        MemoryEstimate::new(&self.shapes, &self.narrow, &settings)
    }

    fn need(&self, size: [u32; 2], cfg_scale: f64) -> Option<Need> {
        let estimate = self.estimate(size, cfg_scale)?;
        Some(Need::new(weights(&estimate), estimate.peak))
    }

    /// Memory of the weights, bytes.
    pub(crate) fn weights(&self) -> u64 {
        self.estimate([64, 64], 1.0).as_ref().map_or(0, weights)
    }

    /// Compares a picture's memory with the limits and the free memory now. `others` is the memory of other models' weights,
    /// bytes.
    pub(crate) fn judge(&self, of: &Parameters, others: u64) -> Verdict {
        let Some(need) = self.need([of.width, of.height], of.cfg_scale) else { return Verdict::Fits };
        verdict(of, need, limits::resident().saturating_sub(others), &limits::limits())
    }

    /// Whether a picture with the recommended settings fits into the memory beside `others` bytes of other models' weights.
    pub(crate) fn fits_beside(&self, recommended: &Recommended, others: u64) -> bool {
        let Recommended { width, height, cfg_scale, .. } = recommended;
        let need = self.need([*width, *height], *cfg_scale);
        need.is_none_or(|need| fits_beside(need, others, limits::resident(), &limits::limits()))
    }
}

fn weights(estimate: &MemoryEstimate) -> u64 {
    estimate.weights.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes))
}

/// `resident` is the memory of this process, which includes the other models' weights.
fn fits_beside(need: Need, others: u64, resident: u64, limits: &[Limit]) -> bool {
    let left = |limit: &Limit| limit.free.saturating_add(resident).saturating_sub(others);
    limits.iter().all(|limit| need.about <= left(limit))
}

/// Memory of a picture with a model's recommended settings on the CPU, bytes. None for a model that cannot be loaded.
pub fn memory_bytes(checkpoint: &Checkpoint, recommended: &Recommended) -> Option<u64> {
    let Recommended { width, height, cfg_scale, .. } = recommended;
    let estimate = Footprint::new(checkpoint, None, None)?.estimate([*width, *height], *cfg_scale);
    estimate.map(|estimate| estimate.peak)
}

fn shape(source: &Checkpoint, part: Part) -> Option<Shape> {
    Some(match part {
        Part::Unet => Shape::Unet(source.unet().ok()?.clone()),
        Part::Vae => Shape::Vae(source.vae().ok()?.clone()),
        Part::Taesd => Shape::Taesd(source.taesd().ok()?.clone()),
        Part::TextEncoder | Part::TextEncoder2 => Shape::Text(source.text_encoder(part).ok()?.clone()),
    })
}

/// `resident` is the memory of this process without other models' weights, bytes. It counts as free, because the next picture
/// reuses it.
fn verdict(of: &Parameters, need: Need, resident: u64, limits: &[Limit]) -> Verdict {
    let Parameters { width, height, model, .. } = of;
    let about = binary(need.about);
    let needs = format!("{width} x {height} with the model {model} takes about {about} of memory");
    let ways = "choose a smaller width and height, or give the server more memory";
    let smallest = limits.iter().min_by_key(|limit| limit.total);
    if let Some(Limit { by, total, .. }) = smallest.filter(|limit| need.least > limit.total) {
        return Verdict::TooLarge(format!("{needs}, and the server may use {} ({by}): {ways}", binary(*total)));
    }
    let left = |limit: &Limit| limit.free.saturating_add(resident);
    match limits.iter().min_by_key(|limit| limit.free).filter(|limit| need.about > left(limit)) {
        Some(limit) => Verdict::Tight(format!(
            "{needs}, and the server has {} ({}): the system may end it; {ways}",
            binary(left(limit)),
            limit.by
        )),
        None => Verdict::Fits,
    }
}

/// `1.6 GiB`, `300 MiB`.
fn binary(bytes: u64) -> String {
    match bytes >> 30 {
        0 => format!("{} MiB", bytes.div_ceil(1 << 20)),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_parameters::parameters;

    const GIB: u64 = 1 << 30;

    fn limit(total: u64, free: u64) -> Limit {
        Limit { by: "a limit", total, free }
    }

    #[test]
    fn only_what_cannot_fit_is_refused_and_what_may_not_fit_is_said() {
        let of = parameters("euler", 1024, 20, 4.0);
        let need = Need { least: 3 * GIB, about: 5 * GIB };
        let judge = |resident, limits: &[Limit]| verdict(&of, need, resident, limits);
        assert_eq!(judge(GIB, &[limit(8 * GIB, 4 * GIB)]), Verdict::Fits, "what it holds it uses again");
        assert_eq!(judge(0, &[]), Verdict::Fits, "where nothing is known nothing is said");
        assert_eq!(
            judge(GIB, &[limit(8 * GIB, 7 * GIB), limit(16 * GIB, 2 * GIB)]),
            Verdict::Tight(
                "1024 x 1024 with the model starter takes about 5.0 GiB of memory, and the server has 3.0 GiB (a limit): \
                 the system may end it; choose a smaller width and height, or give the server more memory"
                    .into()
            )
        );
        assert_eq!(
            judge(0, &[limit(3 * GIB - 1, GIB), limit(8 * GIB, 0)]),
            Verdict::TooLarge(
                "1024 x 1024 with the model starter takes about 5.0 GiB of memory, and the server may use 3.0 GiB (a \
                 limit): choose a smaller width and height, or give the server more memory"
                    .into()
            )
        );
        assert!(matches!(judge(0, &[limit(3 * GIB, GIB)]), Verdict::Tight(_)), "it might fit after all");
        assert_eq!((binary(300 << 20), binary(u64::MAX).len()), ("300 MiB".into(), 17));
    }

    #[test]
    fn another_model_stays_if_there_is_memory_for_both() {
        let need = Need { least: 3 * GIB, about: 5 * GIB };
        let fits = |others, limits: &[Limit]| fits_beside(need, others, 4 * GIB, limits);
        assert!(fits(3 * GIB, &[limit(8 * GIB, 4 * GIB)]));
        assert!(!fits(3 * GIB + 1, &[limit(8 * GIB, 4 * GIB)]));
        assert!(!fits(3 * GIB, &[limit(32 * GIB, 20 * GIB), limit(8 * GIB, 3 * GIB)]), "the smallest limit counts");
        assert!(fits(u64::MAX, &[]), "nothing is known");
    }

    #[test]
    fn an_estimate_is_neither_the_least_nor_the_most() {
        assert_eq!(Need::new(GIB, 3 * GIB), Need { least: 9 * GIB / 4, about: 4 * GIB + SERVER });
        assert_eq!(Need::new(0, u64::MAX).about, u64::MAX);
    }
}
