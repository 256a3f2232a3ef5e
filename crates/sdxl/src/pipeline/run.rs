//! One generation: noise, steps, decoding.

use super::{
    Finish, Generated, InitImage, Networks, Output, Params, Pipeline, Timings,
    timing::{Clock, Timed},
};
use crate::{Conditioning, Embeddings, Error, HostTensor, Picture, Unet, UnetCondition};
use burn::tensor::{DType, Tensor, TensorData};
use diffusion::{
    Generator, Guidance, Guided, Network, Observer, Outcome, Prompts, Sample, SamplerState, Sigmas, Start,
};
use std::time::Instant;

/// A run whose next step is known.
struct Begun {
    started: Instant,
    sigmas: Vec<f32>,
    initial_noise: HostTensor,
    state: SamplerState,
    noise: Generator,
}

impl Pipeline {
    /// Like [`Pipeline::generate`], with prompts that are already encoded.
    ///
    /// # Errors
    /// The same as [`Pipeline::generate`].
    pub fn generate_from(
        &self,
        params: &Params,
        conditioning: Conditioning,
        observer: &mut dyn Observer,
    ) -> Result<Generated, Error> {
        self.generate_from_with(&self.base, params, conditioning, observer)
    }

    /// As [`Pipeline::generate_from`], with networks of [`Pipeline::networks`]. The prompts were encoded with the same
    /// networks, or with others on purpose.
    ///
    /// # Errors
    /// The same as [`Pipeline::generate`].
    pub fn generate_from_with(
        &self,
        networks: &Networks,
        params: &Params,
        conditioning: Conditioning,
        observer: &mut dyn Observer,
    ) -> Result<Generated, Error> {
        params.validate()?;
        let started = Instant::now();
        let strength = params.init_image.as_ref().map_or(1.0, |init| init.strength);
        let sigmas = params.scheduler.truncated(&self.table, params.steps as usize, strength)?;
        let mut generator = Generator::seed(params.seed);
        let (initial_noise, x) = self.start(params, &sigmas, &mut generator)?;
        let noise = params.step_noise.generator(generator, params.seed);
        let state = SamplerState { step: 0, x, past: Vec::new(), noise: noise.position() };
        let begun = Begun { started, sigmas, initial_noise, state, noise };
        self.finish_run(networks, params, conditioning, begun, observer)
    }

    /// Continues a generation from a state of its sampler ([`diffusion::Step::state`]); only the remaining steps run. `sigmas` are the
    /// noise levels of the whole run ([`Output::sigmas`]). The initial picture and the initial noise of `params` are not
    /// used, and [`Output::initial_noise`] is empty. With the parameters of the generation that the state is of, the result
    /// is that of the uninterrupted one, bit for bit on the CPU. A state of another sampler must have no
    /// [`past`](SamplerState::past).
    ///
    /// # Errors
    /// The same as [`Pipeline::generate`], and [`Error::State`] for a state that does not fit.
    pub fn continue_from_with(
        &self,
        networks: &Networks,
        params: &Params,
        conditioning: Conditioning,
        (sigmas, state): (Vec<f32>, SamplerState),
        observer: &mut dyn Observer,
    ) -> Result<Generated, Error> {
        params.validate()?;
        let started = Instant::now();
        let shape = params.latent_shape(self.unet().config().in_channels);
        if state.x.dims() != shape || state.past.iter().any(|past| past.value.dims() != shape) {
            return Err(Error::State("its latents have another shape"));
        }
        if state.step + 1 >= sigmas.len() {
            return Err(Error::State("no step is left"));
        }
        let noise = Generator::at(params.seed, state.noise).ok_or(Error::State("it has drawn too much noise"))?;
        let initial_noise = HostTensor { shape: vec![0], data: Vec::new() };
        let begun = Begun { started, sigmas, initial_noise, state, noise };
        self.finish_run(networks, params, conditioning, begun, observer)
    }

    /// Runs the steps that are left and decodes the result.
    fn finish_run(
        &self,
        networks: &Networks,
        params: &Params,
        conditioning: Conditioning,
        Begun { started, sigmas, initial_noise, state, mut noise }: Begun,
        observer: &mut dyn Observer,
    ) -> Result<Generated, Error> {
        let guidance = Guidance::new(params.cfg_scale)?.with_rescale(params.cfg_rescale)?.with_passes(self.passes);

        let clock = Clock::default();
        let mut denoiser = Guided {
            network: Conditioned {
                pipeline: self,
                unet: networks.unet(),
                params,
                conditioning: &conditioning,
                evaluations: state.step * params.sampler.calls_per_step() as usize,
                made: Vec::new(),
                clock: &clock,
            },
            table: &self.table,
            prediction: self.prediction,
            guidance,
        };
        let mut timed = Timed::new(observer, &clock);
        let outcome = params.sampler.sample_from(&mut denoiser, state, &sigmas, &mut noise, &mut timed)?;
        // Decoding needs the most memory, and it does not need the conditioning: free it first.
        drop(denoiser);
        self.compute.sync("sampling")?;
        let timings = timed.finish();
        let (latents, finish) = match outcome {
            Outcome::Finished { latents } => (latents, Finish::Complete),
            Outcome::Kept { latents, step } => (latents, Finish::Kept { step }),
            Outcome::Paused { state } => return Ok(Generated::Paused { state: Box::new(state), sigmas }),
            Outcome::Cancelled { step } => return Ok(Generated::Cancelled { step }),
        };
        let (picture, latents, decode_s) = self.finish(latents)?;
        let timings = Timings { decode_s, total_s: started.elapsed().as_secs_f64(), ..timings };
        let output = Output { picture, finish, latents, sigmas, initial_noise, conditioning, timings };
        Ok(Generated::Picture(Box::new(output)))
    }

    /// Returns the unit noise and the latents of the first step.
    fn start(
        &self,
        params: &Params,
        sigmas: &[f32],
        generator: &mut Generator,
    ) -> Result<(HostTensor, Tensor<4>), Error> {
        let shape = params.latent_shape(self.unet().config().in_channels);
        let count = shape.iter().product();
        // The order of diffusers: the generator draws the initial picture's noise first.
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
        let scale = params.scheduler.noise_scale(&self.table, first, start);
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

    /// Latents of the initial picture, sampled from its encoded distribution as in diffusers.
    fn picture_latents(
        &self,
        init: &InitImage,
        params: &Params,
        generator: &mut Generator,
    ) -> Result<Tensor<4>, Error> {
        let picture = init.picture.covering(params.width as usize, params.height as usize);
        let _turn = self.turns.take();
        let picture = picture.to_tensor(&self.compute.device);
        let posterior = self.compute.run(|| self.vae.encode(picture))?;
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
        let decoded = self.compute.run(|| HostTensor::read(self.vae.decode(latents)?, "decoding the picture"))?;
        if !decoded.is_finite() {
            return Err(Error::NotFinite { stage: "vae" });
        }
        Ok((Picture::from_planes(&decoded), host, started.elapsed().as_secs_f64()))
    }
}

/// The UNet with the prompts of one generation.
struct Conditioned<'a> {
    pipeline: &'a Pipeline,
    unet: &'a Unet,
    params: &'a Params,
    conditioning: &'a Conditioning,
    /// Evaluations of the model so far, including the current one.
    evaluations: usize,
    /// Cache: the UNet's conditions of the last calls, by their texts. In SDXL each takes 55 MB for each text.
    made: Vec<(Vec<usize>, UnetCondition)>,
    clock: &'a Clock,
}

/// Computes the UNet's condition for the texts of a call.
fn condition(unet: &Unet, params: &Params, conditioning: &Conditioning, texts: &[usize]) -> UnetCondition {
    let embeddings = texts.iter().map(|&text| conditioning.text(text));
    let (h, w) = (params.height as f32, params.width as f32);
    let sizes = vec![[h, w, 0.0, 0.0, h, w]; embeddings.len()];
    let both = |of: &Embeddings| (of.prompt.clone(), of.pooled.clone());
    let (prompt, pooled) = embeddings.map(both).unzip();
    unet.condition(Tensor::cat(prompt, 0), Tensor::cat(pooled, 0), &sizes)
}

impl Network for Conditioned<'_> {
    type Error = Error;

    fn predict(&mut self, input: Tensor<4>, timestep: f32, prompts: Prompts) -> Result<Tensor<4>, Error> {
        let Self { pipeline: Pipeline { turns, compute, .. }, unet, params, conditioning, .. } = *self;
        let _turn = turns.take();
        let texts = conditioning.texts(prompts, self.evaluations.saturating_sub(1));
        let at = match self.made.iter().position(|(of, _)| *of == texts) {
            Some(at) => at,
            None => {
                if self.made.len() == conditioning.calls() {
                    self.made.remove(0);
                }
                let condition = compute.run(|| condition(unet, params, conditioning, &texts));
                self.made.push((texts, condition));
                self.made.len() - 1
            }
        };
        let condition = &self.made[at].1;
        // The clock starts after the wait for the device, so that another picture's step is not counted.
        self.clock.network_called(prompts);
        let output = compute.run(|| unet.forward(input, timestep, condition));
        compute.sync("sampling")?;
        Ok(output)
    }

    fn next_evaluation(&mut self) {
        self.evaluations += 1;
    }

    fn part_weights(&self) -> Option<Vec<f64>> {
        self.conditioning.part_weights()
    }
}
