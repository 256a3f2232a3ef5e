//! Draws with the model and its card's settings, as the form does by default.

use sdxl::{Compute, DeviceChoice, Generated, GenerationParameters, LoadOptions, Output, Params, Pipeline};
use std::error::Error;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The embedded model on the CPU, so that figures are the same everywhere.
pub fn pipeline() -> Result<Pipeline> {
    let compute = Compute::open(DeviceChoice::Cpu)?;
    Ok(Pipeline::load(&starter_model::checkpoint()?, &compute, LoadOptions::default())?)
}

/// Parameters for a prompt with the card's settings.
pub fn params(prompt: &str, seed: u64) -> Result<Params> {
    let settings = GenerationParameters::from(starter_model::card().recommended.clone());
    Ok(Params { prompt: prompt.to_owned(), seed, ..Params::from(settings) })
}

/// Generates the picture; `observer` sees every step.
pub fn draw(pipeline: &Pipeline, params: &Params, observer: &mut dyn diffusion::Observer) -> Result<Output> {
    match pipeline.generate(params, observer)? {
        Generated::Picture(output) => Ok(*output),
        ended => Err(format!("it was stopped: {ended:?}").into()),
    }
}
