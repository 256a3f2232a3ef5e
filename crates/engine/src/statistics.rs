//! What generations cost, summed up since the start.

use crate::generate::Costs;
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

    pub(crate) fn add(&self, of: &protocol::Parameters, costs: &Costs) {
        let mut learned = self.lock();
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
