//! Whether a picture fits into the memory that there is. A process that asks for more than it may have is ended by the
//! system, and every picture that it makes with it.

mod room;

use checkpoint::{Checkpoint, MemoryEstimate, MemorySettings, Part, Shape};
use protocol::Parameters;
use room::Bound;
use std::collections::BTreeMap;

/// What a picture takes, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Need {
    /// It cannot be less: three quarters of the estimate, so that nothing is refused that might fit.
    least: u64,
    /// It may well be so much: the weights, half as much again as is estimated for the rest, because the allocator keeps
    /// blocks of what is over, and the server itself. Measured with the starter model at 1024 x 1024: 755 MB, estimated
    /// 440 MB, here 771 MB.
    about: u64,
}

/// What the server takes without a model, bytes.
const SERVER: u64 = 128 << 20;

impl Need {
    fn new(weights: u64, peak: u64) -> Self {
        let rest = peak.saturating_sub(weights);
        let about = weights.saturating_add(rest).saturating_add(rest / 2).saturating_add(SERVER);
        Self { least: peak / 4 * 3, about }
    }
}

/// The sizes of a model's tensors, from which the memory of a picture of any size follows.
#[derive(Debug)]
pub(crate) struct Footprint {
    shapes: BTreeMap<Part, Shape>,
    narrow: BTreeMap<Part, u64>,
}

/// What is to be said before a picture is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fits,
    /// It may end the server.
    Tight(String),
    /// It would end the server.
    TooLarge(String),
}

impl Footprint {
    /// Of a model on the processor, with parts from elsewhere; none for what cannot be loaded, whose own error says why.
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

    fn need(&self, of: &Parameters) -> Option<Need> {
        let batch = if of.cfg_scale > 1.0 { 2 } else { 1 };
        let settings = MemorySettings { batch, ..MemorySettings::processor(of.width, of.height) };
        let estimate = MemoryEstimate::new(&self.shapes, &self.narrow, &settings)?;
        let weights = estimate.weights.values().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
        Some(Need::new(weights, estimate.peak))
    }

    /// Compares what a picture takes with what there is now.
    pub(crate) fn judge(&self, of: &Parameters) -> Verdict {
        let Some(need) = self.need(of) else { return Verdict::Fits };
        verdict(of, need, room::resident(), &room::bounds())
    }
}

fn shape(source: &Checkpoint, part: Part) -> Option<Shape> {
    Some(match part {
        Part::Unet => Shape::Unet(source.unet().ok()?.clone()),
        Part::Vae => Shape::Vae(source.vae().ok()?.clone()),
        Part::Taesd => Shape::Taesd(source.taesd().ok()?.clone()),
        Part::TextEncoder | Part::TextEncoder2 => Shape::Text(source.text_encoder(part).ok()?.clone()),
    })
}

/// `resident` is what this process holds already, bytes: it counts as free for its next picture.
fn verdict(of: &Parameters, need: Need, resident: u64, bounds: &[Bound]) -> Verdict {
    let Parameters { width, height, model, .. } = of;
    let about = binary(need.about);
    let needs = format!("{width} x {height} with the model {model} takes about {about} of memory");
    let ways = "choose a smaller width and height, or give the server more memory";
    let smallest = bounds.iter().min_by_key(|bound| bound.limit);
    if let Some(Bound { by, limit, .. }) = smallest.filter(|bound| need.least > bound.limit) {
        return Verdict::TooLarge(format!("{needs}, and the server may use {} ({by}): {ways}", binary(*limit)));
    }
    let left = |bound: &Bound| bound.free.saturating_add(resident);
    match bounds.iter().min_by_key(|bound| bound.free).filter(|bound| need.about > left(bound)) {
        Some(bound) => Verdict::Tight(format!(
            "{needs}, and the server has {} ({}): the system may end it; {ways}",
            binary(left(bound)),
            bound.by
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
    use crate::statistics::tests::parameters;

    const GIB: u64 = 1 << 30;

    fn bound(limit: u64, free: u64) -> Bound {
        Bound { by: "a limit", limit, free }
    }

    #[test]
    fn only_what_cannot_fit_is_refused_and_what_may_not_fit_is_said() {
        let of = parameters("euler", 1024, 20, 4.0);
        let need = Need { least: 3 * GIB, about: 5 * GIB };
        let judge = |resident, bounds: &[Bound]| verdict(&of, need, resident, bounds);
        assert_eq!(judge(GIB, &[bound(8 * GIB, 4 * GIB)]), Verdict::Fits, "what it holds it uses again");
        assert_eq!(judge(0, &[]), Verdict::Fits, "where nothing is known nothing is said");
        assert_eq!(
            judge(GIB, &[bound(8 * GIB, 7 * GIB), bound(16 * GIB, 2 * GIB)]),
            Verdict::Tight(
                "1024 x 1024 with the model starter takes about 5.0 GiB of memory, and the server has 3.0 GiB (a limit): \
                 the system may end it; choose a smaller width and height, or give the server more memory"
                    .into()
            )
        );
        assert_eq!(
            judge(0, &[bound(3 * GIB - 1, GIB), bound(8 * GIB, 0)]),
            Verdict::TooLarge(
                "1024 x 1024 with the model starter takes about 5.0 GiB of memory, and the server may use 3.0 GiB (a \
                 limit): choose a smaller width and height, or give the server more memory"
                    .into()
            )
        );
        assert!(matches!(judge(0, &[bound(3 * GIB, GIB)]), Verdict::Tight(_)), "it might fit after all");
        assert_eq!((binary(300 << 20), binary(u64::MAX).len()), ("300 MiB".into(), 17));
    }

    #[test]
    fn an_estimate_is_neither_the_least_nor_the_most() {
        assert_eq!(Need::new(GIB, 3 * GIB), Need { least: 9 * GIB / 4, about: 4 * GIB + SERVER });
        assert_eq!(Need::new(0, u64::MAX).about, u64::MAX);
    }
}
