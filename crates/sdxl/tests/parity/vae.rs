//! The VAE against diffusers, and its tiles against decoding in one piece.

use crate::fixture::{MODELS, STAGE, Values, close, cpu, open, part, tensor_close};
use burn::tensor::Tensor;
use checkpoint::{Checkpoint, Part};
use sdxl::{Compute, Vae};

fn load(checkpoint: &Checkpoint, compute: &Compute) -> Vae {
    let config = checkpoint.vae().expect("its shape");
    part(checkpoint, Part::Vae, &compute.device, |w| Vae::load(w, config, compute.info.max_buffer_bytes))
}

#[test]
fn pictures_encode_and_decode_as_in_diffusers() {
    for (model, stages) in MODELS {
        let (checkpoint, values, compute) = (open(model), Values::read(stages), cpu());
        let vae = load(&checkpoint, &compute);
        for case in ["a", "b"] {
            let tensor = |name: &str| values.tensor::<4>(&format!("vae.{case}.{name}"), &compute.device);
            let posterior = vae.encode(tensor("image")).expect("one piece");
            let name = format!("vae.{case}.mean");
            tensor_close(&format!("{model} {name}"), posterior.mean, &values, &name, STAGE);
            let std: Vec<f64> = values.numbers(&format!("vae.{case}.logvar")).iter().map(|v| (v / 2.0).exp()).collect();
            let found = posterior.std.into_data().try_into_vec::<f32>().expect("f32");
            close(&format!("{model} vae.{case}.std"), &found, &std, STAGE);
            let decoded = vae.decode(tensor("latents")).expect("one piece");
            let name = format!("vae.{case}.decoded");
            tensor_close(&format!("{model} {name}"), decoded, &values, &name, STAGE);
        }
    }
}

/// The mean difference between neighbouring pixels across columns where a tile starts, and across all columns. A
/// visible seam would increase the first.
fn steps(picture: &[f32], width: usize, columns: &[usize]) -> (f64, f64) {
    let step = |x: usize| {
        let rows = picture.chunks(width);
        let sum: f64 = rows.map(|row| f64::from((row[x] - row[x - 1]).abs())).sum();
        sum / (picture.len() / width) as f64
    };
    let all = (1..width).map(step).sum::<f64>() / (width - 1) as f64;
    (columns.iter().map(|&x| step(x)).fold(0.0, f64::max), all)
}

#[test]
fn tiles_leave_no_seams_and_stay_close_to_one_piece() {
    let (checkpoint, compute) = (open("tiny/diffusers"), cpu());
    let vae = load(&checkpoint, &compute);
    // A smooth latent of 48 x 80 with some detail.
    let (h, w) = (48, 80);
    let latent = |c: usize, y: usize, x: usize| {
        let (c, y, x) = (c as f32, y as f32, x as f32);
        (0.13 * x + 0.4 * c).sin() * (0.09 * y - c).cos() + 0.2 * (1.7 * x + 2.3 * y + c).sin()
    };
    let numbers: Vec<f32> = (0..4 * h * w).map(|i| latent(i / (h * w), i / w % h, i % w)).collect();
    let data = burn::tensor::TensorData::new(numbers, [1, 4, h, w]);
    let latents = Tensor::<4>::from_data(data, &compute.device);
    let whole = vae.decode(latents.clone()).expect("one piece");
    let whole = whole.into_data().try_into_vec::<f32>().expect("f32");
    // 8 channels at eight times the side, in f32: 2048 bytes per latent pixel; tiles of 32.
    let tiled = vae.with_max_activation(32 * 32 * 2048).decode(latents).expect("tiles");
    assert_eq!(tiled.dims(), [1, 3, 8 * h, 8 * w]);
    let tiled = tiled.into_data().try_into_vec::<f32>().expect("f32");
    let mean = whole.iter().zip(&tiled).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / whole.len() as f64;
    let spread = (whole.iter().map(|a| f64::from(a * a)).sum::<f64>() / whole.len() as f64).sqrt();
    println!("tiled decode: mean difference {:.2e} of the picture's spread", mean / spread);
    assert!(mean / spread < 0.05, "{mean} of {spread}");
    // Tiles of 32 over 80 start at 0, 24 and 48.
    let (at_seams, all) = steps(&tiled, 8 * w, &[24 * 8, 48 * 8]);
    let (same_places, _) = steps(&whole, 8 * w, &[24 * 8, 48 * 8]);
    println!("tiled decode: step at seams {at_seams:.4}, in one piece {same_places:.4}, elsewhere {all:.4}");
    assert!(at_seams < 1.1 * same_places.max(all), "{at_seams} against {same_places} and {all}");
}
