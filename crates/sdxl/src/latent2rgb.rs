//! The fastest preview: maps each latent pixel to a colour with a matrix and a bias.

use crate::Picture;
use checkpoint::Latent2Rgb;

/// SDXL's published factors: ComfyUI, `comfy/latent_formats.py`, class `SDXL`, `latent_rgb_factors` and
/// `latent_rgb_factors_bias`. They map the sampler's latents to RGB in -1..1.
pub const SDXL: Latent2Rgb = Latent2Rgb {
    matrix: [
        [0.3651, 0.4232, 0.4341],
        [-0.2533, -0.0042, 0.1068],
        [0.1076, 0.1111, -0.0362],
        [-0.3165, -0.2492, -0.2188],
    ],
    bias: [0.1084, -0.0175, -0.0011],
};

/// Returns a picture with the latents' height and width.
///
/// # Shapes
/// `latents`: one latent `[4, height, width]`, row-major
pub fn preview(map: &Latent2Rgb, latents: &[f32], height: usize, width: usize) -> Picture {
    let pixels = height * width;
    let mut rgb = Vec::with_capacity(3 * pixels);
    for p in 0..pixels {
        for (channel, &bias) in map.bias.iter().enumerate() {
            let plane = |(i, row): (usize, &[f32; 3])| latents.get(i * pixels + p).map_or(0.0, |l| l * row[channel]);
            let value: f32 = bias + map.matrix.iter().enumerate().map(plane).sum::<f32>();
            rgb.push((value / 2.0 + 0.5).clamp(0.0, 1.0));
        }
    }
    Picture::new(rgb, height, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pixel_is_its_latent_times_the_matrix_plus_the_bias() {
        let map = Latent2Rgb {
            matrix: [[1.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, -1.0], [0.1, 0.1, 0.1]],
            bias: [0.0, 0.2, 0.0],
        };
        // Two adjacent pixels; the planes are [0.5, -9], [0.4, 0], [0.3, 0], [1, 0].
        let picture = preview(&map, &[0.5, -9.0, 0.4, 0.0, 0.3, 0.0, 1.0, 0.0], 1, 2);
        let expected = [0.8, 0.75, 0.4, 0.0, 0.6, 0.5];
        for (found, expected) in picture.pixels().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{:?}", picture.pixels());
        }
    }
}
