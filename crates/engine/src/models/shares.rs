//! Progress of a load.

use checkpoint::{Checkpoint, Part};

/// Bytes of each part of a checkpoint, for a progress bar. Parts are loaded in this order.
pub(super) struct Shares(Vec<(Part, u64)>);

impl Shares {
    pub(super) fn new(checkpoint: &Checkpoint) -> Self {
        let bytes = |part| checkpoint.plan(part).map_or(0, |plan| plan.source_bytes());
        Self(Part::ALL.into_iter().map(|part| (part, bytes(part))).collect())
    }

    /// Share of all bytes that is loaded once `done` of the `total` tensors of `part` are, 0 to 100.
    pub(super) fn percent(&self, part: Part, done: usize, total: usize) -> u8 {
        let all: u64 = self.0.iter().map(|(_, bytes)| bytes).sum();
        let before: u64 = self.0.iter().take_while(|(known, _)| *known != part).map(|(_, bytes)| bytes).sum();
        let own = self.0.iter().find(|(known, _)| *known == part).map_or(0, |(_, bytes)| *bytes);
        let read = before as f64 + own as f64 * (done as f64 / total.max(1) as f64);
        (read / all.max(1) as f64 * 100.0).clamp(0.0, 100.0) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_bar_counts_bytes_and_never_goes_back() {
        let shares = Shares(vec![(Part::TextEncoder, 100), (Part::Unet, 800), (Part::Vae, 100)]);
        let at = |part, done| shares.percent(part, done, 4);
        let all = [Part::TextEncoder, Part::Unet, Part::Vae].map(|part| [0, 1, 2, 3, 4].map(|done| at(part, done)));
        assert_eq!(all, [[0, 2, 5, 7, 10], [10, 30, 50, 70, 90], [90, 92, 95, 97, 100]]);
        assert_eq!(Shares(Vec::new()).percent(Part::Unet, 1, 0), 0);
    }
}
