//! The first preview: the initial noise, before any step.

use protocol::Parameters;

/// Contrast of the noise. At full contrast it would look like a broken picture.
const CONTRAST: f32 = 0.4;

/// Renders the seed's initial noise at low contrast, as a PNG of the latent's size. It needs no model, so it is available
/// at once, even while a model is loading.
///
/// # Errors
/// A width or height below 8 pixels.
pub fn first_preview(parameters: &Parameters, seed: u64) -> Result<Vec<u8>, png_info::Error> {
    let side = |px: u32| px as usize / sdxl::FACTOR;
    let (width, height) = (side(parameters.width), side(parameters.height));
    let mut noise = diffusion::Generator::seed(seed).randn(4 * width * height);
    noise.iter_mut().for_each(|x| *x *= CONTRAST);
    let rgb = sdxl::latent2rgb::preview(&sdxl::latent2rgb::SDXL, &noise, height, width).to_rgb8();
    png_info::encode_quickly(rgb.as_raw(), rgb.width(), rgb.height())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_whole_picture_of_the_latents_size_soft_and_of_its_seed() {
        let parameters = Parameters::imported(256, 128);
        let png = first_preview(&parameters, 7).expect("a picture");
        let picture = image::load_from_memory(&png).expect("whole").to_rgb8();
        assert_eq!(picture.dimensions(), (32, 16));
        assert_ne!(png, first_preview(&parameters, 8).expect("a picture"));
        let extreme = picture.pixels().filter(|p| p.0.iter().any(|v| *v == 0 || *v == 255)).count();
        assert!(extreme < 16, "{extreme} of 512 pixels are at the end of their range");
    }
}
