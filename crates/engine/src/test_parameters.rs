//! Generation parameters for tests.

use protocol::Parameters;

pub(crate) fn parameters(sampler: &str, side: u32, steps: u32, cfg_scale: f64) -> Parameters {
    Parameters {
        steps,
        cfg_scale,
        sampler: sampler.parse().expect("a sampler"),
        model: "starter".to_owned(),
        ..Parameters::imported(side, side)
    }
}
