//! The estimate for `emberline inspect`.

use super::{MemoryEstimate, MemorySettings};
use checkpoint::{Layout, Part, Report, Shape};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
};

/// Memory of a generation at the size for which a model was trained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryReport {
    /// Picture width in pixels.
    pub width: u32,
    /// Picture height in pixels.
    pub height: u32,
    /// On a GPU, in f16.
    pub gpu_f16: MemoryEstimate,
    /// On the CPU, in f32.
    pub processor_f32: MemoryEstimate,
}

impl MemoryReport {
    /// Both estimates; see [`MemoryEstimate::new`].
    pub fn new(
        shapes: &BTreeMap<Part, Shape>,
        narrow: &BTreeMap<Part, u64>,
        [width, height]: [u32; 2],
    ) -> Option<Self> {
        Some(Self {
            width,
            height,
            gpu_f16: MemoryEstimate::new(shapes, narrow, &MemorySettings::gpu(width, height))?,
            processor_f32: MemoryEstimate::new(shapes, narrow, &MemorySettings::processor(width, height))?,
        })
    }

    /// The estimates for an inspected checkpoint, at the size that it recommends, or 1024 x 1024. None unless it is a whole
    /// checkpoint that can be loaded.
    pub fn of(report: &Report) -> Option<Self> {
        if !report.loadable || !matches!(report.layout, Layout::SingleFile | Layout::Diffusers) {
            return None;
        }
        let (mut shapes, mut narrow) = (BTreeMap::new(), BTreeMap::new());
        for part in &report.parts {
            shapes.insert(part.part, part.config.clone()?);
            narrow.insert(part.part, part.narrow_parameters);
        }
        let size = report.recommendation.as_ref().and_then(|recommendation| recommendation.size_px.as_ref());
        Self::new(&shapes, &narrow, size.map_or([1024; 2], |size| size.value))
    }
}

impl Display for MemoryReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { width, height, gpu_f16, processor_f32 } = self;
        let (gpu, processor) = (Binary(gpu_f16.peak), Binary(processor_f32.peak));
        write!(f, "{width} x {height}: about {gpu} in f16 on a GPU, {processor} on the processor")
    }
}

/// Formats bytes as "9.6 GiB" or "31 MiB".
struct Binary(u64);

impl Display for Binary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 >> 30 {
            0 => write!(f, "{} MiB", self.0.div_ceil(1 << 20)),
            _ => write!(f, "{:.1} GiB", self.0 as f64 / f64::from(1 << 30)),
        }
    }
}
