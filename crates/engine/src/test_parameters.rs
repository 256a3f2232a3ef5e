//! Generation parameters for tests.

use protocol::{Parameters, PreviewMethod};

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
