//! Times of generations: sums since the start, and estimates for new tasks.

use crate::{PreviewTimes, total_steps};
use protocol::Parameters;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Times of one generation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    /// Each sampling step, seconds.
    pub steps_s: Vec<f64>,
    /// Latents to picture, seconds.
    pub decode_s: f64,
    /// Picture to PNG, seconds.
    pub encode_s: f64,
    /// Sums over all previews.
    pub previews: PreviewTimes,
}

/// Sums over all finished generations since the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Sampling steps.
    pub steps: u64,
    /// Time for them, seconds.
    pub steps_s: f64,
    /// Final pictures.
    pub pictures: u64,
    /// Time decoding them, seconds.
    pub decode_s: f64,
    /// Time encoding them, seconds.
    pub encode_s: f64,
    /// Previews written.
    pub previews: u64,
    /// Steps without a preview, because a newer step was done already or the previous preview was too recent.
    pub previews_dropped: u64,
    /// Time decoding previews, seconds.
    pub preview_decode_s: f64,
    /// Time encoding them, seconds.
    pub preview_encode_s: f64,
    /// Time writing them, seconds.
    pub preview_write_s: f64,
}

/// The sums, and measurements for estimates.
#[derive(Debug, Default)]
pub struct Statistics(Mutex<Learned>);

#[derive(Debug, Default)]
struct Learned {
    summary: Summary,
    /// Decoding and encoding, by model, width and height.
    decode: HashMap<(String, u32, u32), Duration>,
    /// Seconds for one model evaluation per megapixel without guidance, by model.
    evaluation_s: HashMap<String, f64>,
}

/// Work of one step, in evaluations of a megapixel without guidance. Because of attention, time grows a little faster than
/// the pixels, so an estimate from a small size is too low for a much larger one.
fn step_work(of: &Parameters) -> f64 {
    let guidance = if diffusion::is_guided(of.cfg_scale) { 2.0 } else { 1.0 };
    f64::from(of.sampler.calls_per_step()) * guidance * megapixels(of)
}

fn megapixels(of: &Parameters) -> f64 {
    f64::from(of.width) * f64::from(of.height) / 1e6
}

fn median(times: &[f64]) -> Option<f64> {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

impl Statistics {
    /// The current sums.
    pub fn summary(&self) -> Summary {
        self.lock().summary.clone()
    }

    /// Time for decoding and encoding the last picture of this model and size; none before the first.
    pub(crate) fn decode(&self, model: &str, width: u32, height: u32) -> Option<Duration> {
        self.lock().decode.get(&(model.to_owned(), width, height)).copied()
    }

    /// Estimated time for a picture without loading and queueing, from the last picture of the same model. None before the
    /// first.
    pub fn expected(&self, of: &Parameters) -> Option<Duration> {
        let learned = self.lock();
        let steps_s = learned.evaluation_s.get(&of.model)? * step_work(of) * f64::from(total_steps(of));
        let decode = learned.decode.get(&(of.model.clone(), of.width, of.height)).copied().unwrap_or_default();
        Duration::try_from_secs_f64(steps_s).ok()?.checked_add(decode)
    }

    pub(crate) fn add(&self, of: &Parameters, costs: &Costs) {
        let mut learned = self.lock();
        // The median: the first step of a size may prepare kernels, and other programs may slow down some steps.
        if let Some(step_s) = median(&costs.steps_s) {
            learned.evaluation_s.insert(of.model.clone(), step_s / step_work(of));
        }
        let key = (of.model.clone(), of.width, of.height);
        learned.decode.insert(key, Duration::from_secs_f64(costs.decode_s + costs.encode_s));
        let sum = &mut learned.summary;
        sum.steps += costs.steps_s.len() as u64;
        sum.steps_s += costs.steps_s.iter().sum::<f64>();
        sum.pictures += 1;
        sum.decode_s += costs.decode_s;
        sum.encode_s += costs.encode_s;
        sum.previews += costs.previews.count;
        sum.previews_dropped += costs.previews.dropped;
        sum.preview_decode_s += costs.previews.decode.as_secs_f64();
        sum.preview_encode_s += costs.previews.encode.as_secs_f64();
        sum.preview_write_s += costs.previews.write.as_secs_f64();
    }

    fn lock(&self) -> MutexGuard<'_, Learned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_parameters::parameters;

    #[test]
    fn a_picture_is_expected_to_take_what_its_work_took_before() {
        let statistics = Statistics::default();
        let first = parameters("euler", 512, 20, 4.0);
        assert_eq!(statistics.expected(&first), None, "nothing is known yet");
        // One slow step does not count.
        let steps_s = [&[9.0][..], &[0.5; 19]].concat();
        statistics.add(&first, &Costs { steps_s, decode_s: 1.0, encode_s: 0.5, ..Costs::default() });
        let seconds = |of: &Parameters| statistics.expected(of).expect("known").as_secs_f64();
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} and {b}");
        near(seconds(&first), 20.0 * 0.5 + 1.5);
        near(seconds(&parameters("euler", 512, 40, 4.0)), 40.0 * 0.5 + 1.5);
        near(seconds(&parameters("euler", 512, 20, 1.0)), 20.0 * 0.25 + 1.5);
        near(seconds(&parameters("heun", 512, 20, 4.0)), 20.0 * 1.0 + 1.5);
        near(seconds(&parameters("euler", 1024, 20, 4.0)), 20.0 * 2.0);
        let other = Parameters { model: "other".to_owned(), ..first };
        assert_eq!(statistics.expected(&other), None);
    }
}
