//! What generations cost, summed up since the start.

use crate::{generate::Costs, total_steps};
use protocol::Parameters;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Sums over all finished generations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Sampling steps.
    pub steps: u64,
    /// Time in them, seconds.
    pub steps_s: f64,
    /// Final pictures.
    pub pictures: u64,
    /// Time decoding them, seconds.
    pub decode_s: f64,
    /// Time encoding them, seconds.
    pub encode_s: f64,
    /// Previews written.
    pub previews: u64,
    /// Steps without a preview: a newer one was there, or too little time had passed.
    pub previews_dropped: u64,
    /// Time decoding previews, seconds.
    pub preview_decode_s: f64,
    /// Time encoding them, seconds.
    pub preview_encode_s: f64,
    /// Time writing them, seconds.
    pub preview_write_s: f64,
}

/// Keeps the sums, and what is learned for the next estimate.
#[derive(Debug, Default)]
pub struct Statistics(Mutex<Learned>);

#[derive(Debug, Default)]
struct Learned {
    summary: Summary,
    /// By model and size.
    decode: HashMap<(String, u32, u32), Duration>,
    /// By model: seconds for one evaluation of a megapixel, without guidance.
    evaluation_s: HashMap<String, f64>,
}

/// Samplers that ask the model twice in a step.
const TWICE: [&str; 5] = ["heun", "dpm_2", "dpm_2_ancestral", "dpmpp_2s_ancestral", "dpmpp_sde"];

/// What a step asks of the model, in evaluations of a megapixel without guidance. A model's time grows a little
/// faster than its pixels (attention); learned at one size, it tells too little of a much larger one.
fn step_work(of: &Parameters) -> f64 {
    let evaluations = if TWICE.contains(&of.sampler.as_str()) { 2.0 } else { 1.0 };
    let guidance = if of.cfg_scale > 1.0 { 2.0 } else { 1.0 };
    evaluations * guidance * megapixels(of)
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
    /// The sums up to now.
    pub fn summary(&self) -> Summary {
        self.lock().summary.clone()
    }

    /// What decoding took last time with this model at this size; none before the first picture.
    pub(crate) fn decode(&self, model: &str, width: u32, height: u32) -> Option<Duration> {
        self.lock().decode.get(&(model.to_owned(), width, height)).copied()
    }

    /// How long a picture will take, by the steps of this model's newest one; none before the first. Without
    /// loading and waiting.
    pub fn expected(&self, of: &Parameters) -> Option<Duration> {
        let learned = self.lock();
        let steps_s = learned.evaluation_s.get(&of.model)? * step_work(of) * f64::from(total_steps(of));
        let decode = learned.decode.get(&(of.model.clone(), of.width, of.height)).copied().unwrap_or_default();
        Duration::try_from_secs_f64(steps_s).ok()?.checked_add(decode)
    }

    pub(crate) fn add(&self, of: &Parameters, costs: &Costs) {
        let mut learned = self.lock();
        // The middle one: the first step of a size may prepare for the others, and another program may slow some.
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
pub(crate) mod tests {
    use super::*;
    use protocol::PreviewMethod;

    pub(crate) fn parameters(sampler: &str, side: u32, steps: u32, cfg_scale: f64) -> Parameters {
        Parameters {
            prompt: String::new(),
            negative_prompt: String::new(),
            steps,
            cfg_scale,
            sampler: sampler.to_owned(),
            scheduler: "normal".to_owned(),
            width: side,
            height: side,
            model: "starter".to_owned(),
            preview_method: PreviewMethod::Auto,
            preview_interval_ms: 0,
            init_take_id: None,
            strength: None,
        }
    }

    #[test]
    fn a_picture_is_expected_to_take_what_its_work_took_before() {
        let statistics = Statistics::default();
        let first = parameters("euler", 512, 20, 4.0);
        assert_eq!(statistics.expected(&first), None, "nothing is known yet");
        // One slow step says nothing of the others.
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
