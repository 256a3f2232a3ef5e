//! Previews of one attempt. A writer thread beside the sampler decodes, encodes and shows them in the order of the steps.
//! When it is behind, it skips older previews.

mod first;

pub use first::first_preview;

use crate::step_queue::{StepQueue, Waiting};
use burn::tensor::Tensor;
use protocol::{PreviewMethod, TaskId};
use sdxl::Pipeline;
use std::{
    io,
    time::{Duration, Instant},
};

/// `auto` switches from TAESD to latent2rgb when decoding one preview takes more than this share of a step's time.
const TAESD_SHARE: f64 = 0.25;

/// Least time between latent2rgb previews, in multiples of one preview's time: they take at most 2 % of the time. A step
/// uses all cores and so waits for previews. A preview takes 0.2 ms on ext4, so steps of 11 ms and more get one each.
const PREVIEW_SPACING: u32 = 50;

/// A finished step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DoneStep {
    /// 1 for the first.
    pub(crate) step: u32,
    pub(crate) total: u32,
    pub(crate) took: Duration,
    pub(crate) eta_ms: u64,
}

/// Receives the steps of an attempt and their previews, in their order, on the writer's thread.
pub(crate) trait Show: Sync {
    /// The task, for messages.
    fn task_id(&self) -> TaskId;

    /// Takes the PNG of a step's preview; drops it if the attempt is over. Returns the least time to the next preview.
    ///
    /// # Errors
    /// It cannot be written.
    fn preview(&self, step: u32, png: Vec<u8>) -> io::Result<Duration>;

    /// Publishes a step. Its preview, if it has one, came before.
    fn step(&self, done: DoneStep);
}

/// A finished step that is not published yet.
struct Pending {
    done: DoneStep,
    /// The estimate for its preview; none for a step without a preview.
    estimate: Option<Tensor<4>>,
    /// Whether its preview is never skipped: that of the first step, the last one, and the one at which the task pauses by itself.
    always: bool,
}

/// The spacing of previews.
#[derive(Default)]
struct Spacing {
    /// Time of the last preview.
    last_taken: Option<Instant>,
    /// Least time to the next preview, except the first and the last step's.
    pause: Duration,
}

/// The steps that wait for the writer of previews.
pub(crate) struct PreviewQueue {
    waiting: StepQueue<Pending, Spacing>,
    method: PreviewMethod,
    least: Duration,
    /// The step at which the task pauses by itself.
    pause_at: Option<u32>,
}

/// Times of previews, by stage.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PreviewTimes {
    /// Previews written.
    pub count: u64,
    /// Previews skipped, because a newer step was done already or the previous preview was too recent.
    pub dropped: u64,
    /// Latent to picture.
    pub decode: Duration,
    /// Picture to PNG.
    pub encode: Duration,
    /// PNG to file.
    pub write: Duration,
}

impl PreviewQueue {
    pub(crate) fn new(method: PreviewMethod, least: Duration) -> Self {
        Self { waiting: StepQueue::default(), method, least, pause_at: None }
    }

    /// Shows this step in any case: the task pauses there.
    pub(crate) fn pausing_at(self, step: Option<u32>) -> Self {
        Self { pause_at: step, ..self }
    }

    /// Adds a finished step. Keeps a handle on its estimate and reads nothing from the device.
    pub(crate) fn push(&self, done: DoneStep, estimate: &Tensor<4>) {
        let always = done.step == 1 || done.step >= done.total || Some(done.step) == self.pause_at;
        self.waiting.update(|Waiting { steps, shared: spacing, .. }| {
            let least = self.least.max(spacing.pause);
            let spaced = always || spacing.last_taken.is_none_or(|last| last.elapsed() >= least);
            let estimate = (spaced && self.method != PreviewMethod::None).then(|| estimate.clone());
            if estimate.is_some() {
                spacing.last_taken = Some(Instant::now());
                // The writer is behind: it skips older previews but publishes their steps.
                steps.iter_mut().filter(|older| !older.always).for_each(|older| older.estimate = None);
            }
            steps.push_back(Pending { done, estimate, always });
        });
    }

    /// Ends the queue: no further step follows.
    pub(crate) fn end(&self) {
        self.waiting.end();
    }

    /// Makes previews until the queue ends. Each step is shown after its preview is shown or skipped.
    pub(crate) fn write(&self, pipeline: &Pipeline, show: &dyn Show) -> PreviewTimes {
        let mut writer = Writer { pipeline, show, method: self.first_method(pipeline), has_logged: false };
        let mut times = PreviewTimes::default();
        while let Some(pending) = self.waiting.next() {
            match &pending.estimate {
                Some(estimate) => self.write_one(&mut writer, &pending, estimate, &mut times),
                None => times.dropped += 1,
            }
            show.step(pending.done);
        }
        times
    }

    fn write_one(&self, writer: &mut Writer, pending: &Pending, estimate: &Tensor<4>, times: &mut PreviewTimes) {
        let (before, started) = (times.decode, Instant::now());
        let mut pause = writer.write(pending.done.step, estimate, times).unwrap_or_else(|why| {
            writer.log_once(&why);
            Duration::ZERO
        });
        if writer.method == sdxl::PreviewDecoder::Latent2Rgb {
            pause = pause.max(started.elapsed() * PREVIEW_SPACING);
        }
        self.waiting.lock().shared.pause = pause;
        let decode = times.decode - before;
        if self.method == PreviewMethod::Auto && decode > pending.done.took.mul_f64(TAESD_SHARE) {
            writer.method = sdxl::PreviewDecoder::Latent2Rgb;
        }
    }

    fn first_method(&self, pipeline: &Pipeline) -> sdxl::PreviewDecoder {
        match self.method {
            PreviewMethod::Auto | PreviewMethod::Taesd if pipeline.has_taesd() => sdxl::PreviewDecoder::Taesd,
            _ => sdxl::PreviewDecoder::Latent2Rgb,
        }
    }
}

struct Writer<'a> {
    pipeline: &'a Pipeline,
    show: &'a dyn Show,
    method: sdxl::PreviewDecoder,
    has_logged: bool,
}

impl Writer<'_> {
    fn write(&self, step: u32, estimate: &Tensor<4>, times: &mut PreviewTimes) -> Result<Duration, String> {
        let started = Instant::now();
        let picture = self.pipeline.preview(self.method, estimate).map_err(|error| error.to_string())?;
        let decoded = Instant::now();
        let rgb = picture.to_rgb8();
        let png = png_info::encode_quickly(rgb.as_raw(), rgb.width(), rgb.height()).map_err(|e| e.to_string())?;
        let encoded = Instant::now();
        let written = self.show.preview(step, png);
        times.count += 1;
        times.decode += decoded - started;
        times.encode += encoded - decoded;
        times.write += encoded.elapsed();
        written.map_err(|error| error.to_string())
    }

    /// Logs the first preview that failed. A failed preview does not fail the generation.
    fn log_once(&mut self, why: &str) {
        if !std::mem::replace(&mut self.has_logged, true) {
            tracing::warn!(task.id = %self.show.task_id(), why, "a preview could not be made; the generation goes on");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn pushed(method: PreviewMethod, least: Duration, steps: u32, total: u32) -> Vec<(u32, bool)> {
        let queue = PreviewQueue::new(method, least);
        let estimate = Tensor::zeros([1, 4, 2, 2], &Device::flex());
        for step in 1..=steps {
            queue.push(DoneStep { step, total, took: Duration::ZERO, eta_ms: 0 }, &estimate);
        }
        queue.end();
        std::iter::from_fn(|| queue.waiting.next()).map(|p| (p.done.step, p.estimate.is_some())).collect()
    }

    #[test]
    fn when_the_writer_is_behind_first_newest_and_last_are_left_and_every_step_is_published() {
        let of = |steps| pushed(PreviewMethod::Auto, Duration::ZERO, steps, 6);
        assert_eq!(of(5), [(1, true), (2, false), (3, false), (4, false), (5, true)]);
        assert_eq!(of(6), [(1, true), (2, false), (3, false), (4, false), (5, false), (6, true)]);
    }

    #[test]
    fn the_least_time_between_previews_spares_first_and_last() {
        let of = pushed(PreviewMethod::Taesd, Duration::from_secs(3600), 4, 4);
        assert_eq!(of, [(1, true), (2, false), (3, false), (4, true)]);
    }

    #[test]
    fn steps_that_are_quicker_than_their_previews_are_worth_get_fewer_of_them() {
        let queue = PreviewQueue::new(PreviewMethod::Latent2Rgb, Duration::ZERO);
        let estimate = Tensor::zeros([1, 4, 2, 2], &Device::flex());
        let push = |step| queue.push(DoneStep { step, total: 9, took: Duration::ZERO, eta_ms: 0 }, &estimate);
        let has_one = || queue.waiting.next().map(|pending| pending.estimate.is_some());
        push(1);
        assert_eq!(has_one(), Some(true));
        queue.waiting.lock().shared.pause = Duration::from_secs(3600);
        push(2);
        assert_eq!(has_one(), Some(false));
        queue.waiting.lock().shared.pause = Duration::ZERO;
        push(3);
        assert_eq!(has_one(), Some(true));
        queue.waiting.lock().shared.pause = Duration::from_secs(3600);
        push(9);
        assert_eq!(has_one(), Some(true), "the last is never left out");
    }

    #[test]
    fn the_step_at_which_a_picture_pauses_is_shown() {
        let queue = PreviewQueue::new(PreviewMethod::Taesd, Duration::from_secs(3600)).pausing_at(Some(3));
        let estimate = Tensor::zeros([1, 4, 2, 2], &Device::flex());
        for step in 1..=3 {
            queue.push(DoneStep { step, total: 9, took: Duration::ZERO, eta_ms: 0 }, &estimate);
        }
        queue.end();
        let shown = std::iter::from_fn(|| queue.waiting.next()).map(|p| p.estimate.is_some());
        assert_eq!(shown.collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn none_means_none() {
        assert_eq!(pushed(PreviewMethod::None, Duration::ZERO, 2, 2), [(1, false), (2, false)]);
    }
}
