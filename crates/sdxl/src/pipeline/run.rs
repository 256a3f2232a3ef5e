//! One generation: noise, steps, picture.

use super::{
    Finish, Generated, InitImage, Output, Params, Pipeline, Timings,
    timing::{Clock, Timed},
};
use crate::{Conditioning, Embeddings, Error, HostTensor, Picture, UnetCondition};
use burn::tensor::{DType, Tensor, TensorData};
use diffusion::{Generator, Guidance, Guided, Network, Observer, Outcome, Prompts, Start};
use std::time::Instant;

impl Pipeline {
    /// As [`Pipeline::generate`], from prompts that are already encoded.
    ///
    /// # Errors
    /// As there.
    pub fn generate_from(
        &self,
        params: &Params,
        conditioning: Conditioning,
        observer: &mut dyn Observer,
    ) -> Result<Generated, Error> {
        params.validate()?;
        let started = Instant::now();
        let strength = params.init_image.as_ref().map_or(1.0, |init| init.strength);
        let sigmas = params.schedule.truncated(&self.table, params.steps, strength)?;
        let mut generator = Generator::seed(params.seed);
        let (noise, x) = self.start(params, &sigmas, &mut generator)?;
        let mut step_noise = params.step_noise.generator(generator, params.seed);
        let guidance = Guidance::new(params.cfg_scale)?.with_rescale(params.cfg_rescale)?.with_passes(self.passes);

        let clock = Clock::default();
        let mut denoiser = Guided {
            network: self.conditioned(params, &conditioning, &clock),
            table: &self.table,
            prediction: self.prediction,
            guidance,
        };
        let mut timed = Timed::new(observer, &clock);
        let outcome = params.sampler.sample(&mut denoiser, x, &sigmas, &mut step_noise, &mut timed)?;
        self.compute.sync("sampling")?;
        let timings = timed.finish();
        let (latents, finish) = match outcome {
            Outcome::Finished { latents } => (latents, Finish::Complete),
            Outcome::Kept { latents, step } => (latents, Finish::Kept { step }),
            Outcome::Cancelled { step } => return Ok(Generated::Cancelled { step }),
        };
        let (picture, latents, decode_s) = self.finish(latents)?;
        let timings = Timings { decode_s, total_s: started.elapsed().as_secs_f64(), ..timings };
        let output = Output { picture, finish, latents, sigmas, initial_noise: noise, conditioning, timings };
        Ok(Generated::Picture(Box::new(output)))
    }

    /// The unit noise, and what the first step starts from.
    fn start(
        &self,
        params: &Params,
        sigmas: &[f32],
        generator: &mut Generator,
    ) -> Result<(HostTensor, Tensor<4>), Error> {
        let shape = params.latent_shape(self.unet.config().in_channels);
        let count = shape.iter().product();
        // diffusers' order: the picture's own noise comes first from the generator.
        let picture = match &params.init_image {
            Some(init) => Some(self.picture_latents(init, params, generator)?),
            None => None,
        };
        let noise = match &params.initial_noise {
            Some(noise) => noise.clone(),
            None => generator.randn(count),
        };
        let noise = HostTensor { shape: shape.to_vec(), data: noise };
        let start = if picture.is_some() { Start::Image } else { Start::Noise };
        let first = sigmas.first().copied().unwrap_or_default();
        let scale = params.schedule.noise_scale(&self.table, first, start);
        let data = TensorData::new(noise.data.clone(), shape);
        let scaled = Tensor::<4>::from_data(data, (&self.compute.device, DType::F32)).mul_scalar(scale);
        Ok((
            noise,
            match picture {
                Some(picture) => picture + scaled,
                None => scaled,
            },
        ))
    }

    /// A picture's latents, drawn from the distribution that it encodes to, as diffusers does.
    fn picture_latents(
        &self,
        init: &InitImage,
        params: &Params,
        generator: &mut Generator,
    ) -> Result<Tensor<4>, Error> {
        let picture = init.picture.covering(params.width as usize, params.height as usize);
        let _turn = self.turns.take();
        let posterior = self.vae.encode(picture.to_tensor(&self.compute.device))?;
        let shape = posterior.mean.dims();
        let draw = TensorData::new(generator.randn(shape.iter().product()), shape);
        let draw = Tensor::<4>::from_data(draw, (&self.compute.device, DType::F32));
        let latents = self.vae.scale(posterior.mean + posterior.std * draw);
        self.compute.sync("encoding the picture")?;
        Ok(latents)
    }

    fn finish(&self, latents: Tensor<4>) -> Result<(Picture, HostTensor, f64), Error> {
        let host = HostTensor::read(latents.clone(), "sampling")?;
        if !host.is_finite() {
            return Err(Error::NotFinite { stage: "unet" });
        }
        let started = Instant::now();
        let _turn = self.turns.take();
        let decoded = HostTensor::read(self.vae.decode(latents)?, "decoding the picture")?;
        if !decoded.is_finite() {
            return Err(Error::NotFinite { stage: "vae" });
        }
        Ok((Picture::from_planes(&decoded), host, started.elapsed().as_secs_f64()))
    }

    fn conditioned<'a>(&'a self, params: &Params, conditioning: &Conditioning, clock: &'a Clock) -> Conditioned<'a> {
        let (h, w) = (params.height as f32, params.width as f32);
        let embed = |Embeddings { prompt, pooled }: &Embeddings| {
            self.unet.condition(prompt.clone(), pooled.clone(), &[[h, w, 0.0, 0.0, h, w]])
        };
        let positive = embed(&conditioning.positive);
        // Without a negative prompt guidance is off and never asks for it.
        let negative = conditioning.negative.as_ref().map_or_else(|| positive.clone(), embed);
        let both = UnetCondition::cat(&[&negative, &positive]);
        Conditioned { pipeline: self, positive, negative, both, clock }
    }
}

/// The UNet with one generation's prompts.
struct Conditioned<'a> {
    pipeline: &'a Pipeline,
    positive: UnetCondition,
    negative: UnetCondition,
    both: UnetCondition,
    clock: &'a Clock,
}

impl Network for Conditioned<'_> {
    type Error = Error;

    fn predict(&mut self, input: Tensor<4>, timestep: f32, prompts: Prompts) -> Result<Tensor<4>, Error> {
        let condition = match prompts {
            Prompts::Positive => &self.positive,
            Prompts::Negative => &self.negative,
            Prompts::NegativeThenPositive => &self.both,
        };
        let _turn = self.pipeline.turns.take();
        // After the wait for the turn: another picture's step is not this one's time.
        self.clock.network_called();
        let output = self.pipeline.unet.forward(input, timestep, condition);
        self.pipeline.compute.sync("sampling")?;
        Ok(output)
    }
}
