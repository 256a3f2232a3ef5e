//! The embedded model gives the same results as diffusers with the same weights, prompts, seeds and settings.
//! `reference/export.py` wrote the fixture.

use image::{
    RgbImage,
    imageops::{FilterType, resize},
};
use safetensors::SafeTensors;
use sdxl::{
    Compute, DeviceChoice, Generated, GenerationParameters, HostTensor, LoadOptions, Output, Params, Pipeline,
    PreviewDecoder,
};
use std::ops::ControlFlow;

/// Tolerance of the final latents, relative to the reference's standard deviation.
const LATENTS: f64 = 1e-3;

struct Reference(Vec<u8>);

impl Reference {
    fn open() -> Self {
        Self(std::fs::read("tests/fixtures/reference.safetensors").expect("the fixture"))
    }

    /// A tensor's bytes.
    fn bytes(&self, name: &str) -> Vec<u8> {
        let file = SafeTensors::deserialize(&self.0).expect("safetensors");
        file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}")).data().to_vec()
    }

    fn numbers(&self, name: &str) -> Vec<f32> {
        self.bytes(name).as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
    }

    /// Seeds and prompts.
    fn cases(&self) -> Vec<(u64, String)> {
        let (_, header) = SafeTensors::read_metadata(&self.0).expect("a header");
        let cases = header.metadata().as_ref().expect("metadata")["cases"].clone();
        serde_json::from_str(&cases).expect("seeds and prompts")
    }
}

fn pipeline() -> Pipeline {
    let compute = Compute::open(DeviceChoice::Cpu).expect("the CPU is always there");
    let checkpoint = starter_model::checkpoint().expect("it opens");
    Pipeline::load(&checkpoint, &compute, LoadOptions::default()).expect("it loads")
}

fn params(seed: u64, prompt: &str) -> Params {
    let settings = GenerationParameters::from(starter_model::card().recommended.clone());
    Params { prompt: prompt.to_owned(), seed, ..Params::from(settings) }
}

fn generate(pipeline: &Pipeline, seed: u64, prompt: &str) -> Output {
    match pipeline.generate(&params(seed, prompt), &mut diffusion::Unobserved).expect("it draws") {
        Generated::Picture(output) => *output,
        ended => panic!("nobody stopped it: {ended:?}"),
    }
}

fn check(what: &str, found: &[f32], expected: &[f32], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let n = expected.len() as f64;
    let mean = expected.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let spread = (expected.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n).sqrt();
    let worst = found.iter().zip(expected).map(|(&a, &b)| f64::from((a - b).abs()) / spread);
    // `f64::max` would ignore a NaN.
    let worst = worst.fold(0.0, |a: f64, b| if b.is_nan() || b > a { b } else { a });
    println!("{what}: largest deviation {worst:.2e}");
    assert!(worst <= tolerance, "{what}: {worst:.3e} is over {tolerance:e}");
}

/// Every value differs by at most one of 256 levels: the reference was rounded to them.
fn check_levels(what: &str, found: &[f32], expected: &[u8]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let worst = found.iter().zip(expected).map(|(&a, &b)| (a * 255.0 - f32::from(b)).abs()).fold(0.0, f32::max);
    println!("{what}: largest deviation {worst:.3} levels");
    assert!(found.iter().all(|x| x.is_finite()) && worst <= 1.0, "{what}: {worst} levels");
}

#[test]
fn latents_pictures_and_previews_are_those_of_diffusers() {
    let (reference, pipeline) = (Reference::open(), pipeline());
    let cases = reference.cases();
    assert_eq!(cases.len(), 3);
    for (seed, prompt) in &cases {
        let output = generate(&pipeline, *seed, prompt);
        check(prompt, &output.latents.data, &reference.numbers(&format!("{seed}.latents")), LATENTS);
        if *seed > 1 {
            continue;
        }
        // PyTorch's vectorised logarithm and cosine are approximate: 2e-6 absolute.
        check("noise", &output.initial_noise.data, &reference.numbers("1.initial_noise"), 3e-6);
        let read = |tensor: HostTensor| tensor.data;
        let positive = output.conditioning.positive;
        let prompt = HostTensor::read(positive.prompt, "reading").map(read).expect("the CPU does not fail");
        check("prompt_embeds", &prompt, &reference.numbers("1.prompt_embeds"), 1e-4);
        let pooled = HostTensor::read(positive.pooled, "reading").map(read).expect("the CPU does not fail");
        check("pooled_prompt_embeds", &pooled, &reference.numbers("1.pooled_prompt_embeds"), 1e-4);
        check_levels("picture", output.picture.pixels(), &reference.bytes("1.image_u8"));
    }
}

#[test]
fn previews_have_the_picture_s_colours_and_taesd_is_the_sharper_one() {
    let (reference, pipeline) = (Reference::open(), pipeline());
    let (seed, prompt) = reference.cases().remove(0);
    let mut last = None;
    let mut keep = |step: &diffusion::Step<'_>| {
        if step.index + 1 == step.total {
            last = Some(
                [PreviewDecoder::Latent2Rgb, PreviewDecoder::Taesd]
                    .map(|method| pipeline.preview(method, step.denoised).expect("it has both").to_rgb8()),
            );
        }
        ControlFlow::<diffusion::Stop>::Continue(())
    };
    let output = pipeline.generate(&params(seed, &prompt), &mut keep).expect("it draws");
    let Generated::Picture(output) = output else { panic!("nobody cancelled it") };
    let [latent2rgb, taesd] = last.expect("a last step");
    // The reference is diffusers' AutoencoderTiny on diffusers' latents.
    let taesd_levels: Vec<f32> = taesd.as_raw().iter().map(|&level| f32::from(level) / 255.0).collect();
    check_levels("taesd", &taesd_levels, &reference.bytes("1.taesd_u8"));

    let picture = output.picture.to_rgb8();
    let smooth = resize(&latent2rgb, picture.width(), picture.height(), FilterType::CatmullRom);
    for preview in [&smooth, &taesd] {
        for (found, expected) in mean(preview).iter().zip(mean(&picture)) {
            assert!((found - expected).abs() < 8.0, "{found} for {expected}");
        }
    }
    let [coarse, fine, full] = [&smooth, &taesd, &picture].map(detail);
    println!("detail: latent2rgb {coarse:.0}, taesd {fine:.0}, the picture {full:.0}");
    assert!(fine > 1.25 * coarse && fine > 0.5 * full, "{coarse} {fine} {full}");
}

fn mean(picture: &RgbImage) -> [f64; 3] {
    let count = f64::from(picture.width() * picture.height());
    [0, 1, 2].map(|channel| picture.pixels().map(|pixel| f64::from(pixel[channel])).sum::<f64>() / count)
}

/// The mean square difference of horizontal neighbours.
fn detail(picture: &RgbImage) -> f64 {
    let pairs = picture.rows().flat_map(|row| row.clone().zip(row.skip(1)).collect::<Vec<_>>());
    let squares = pairs.flat_map(|(a, b)| [0, 1, 2].map(|c| (f64::from(a[c]) - f64::from(b[c])).powi(2)));
    squares.sum::<f64>() / f64::from(picture.width() * picture.height())
}
