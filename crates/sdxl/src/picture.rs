//! Pictures in host memory.

use crate::{DeviceError, host::HostTensor};
use burn::tensor::{DType, Device, Tensor, TensorData};
use image::RgbImage;

/// An RGB picture: `[height, width, 3]`, row-major, values in 0..1.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pixels: Vec<f32>,
    height: usize,
    width: usize,
}

impl Picture {
    /// Creates a picture from `[height, width, 3]` values in 0..1. Missing pixels are black.
    pub fn new(mut pixels: Vec<f32>, height: usize, width: usize) -> Self {
        pixels.resize(height * width * 3, 0.0);
        Self { pixels, height, width }
    }

    /// The pixels, `[height, width, 3]` in 0..1.
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Converts a decoder's output in -1..1: `x / 2 + 0.5`, clamped. Waits for the device.
    ///
    /// # Shapes
    /// `[1, 3, h, w]`; only the first picture of a larger batch is used
    ///
    /// # Errors
    /// [`DeviceError::Failed`] if the device failed; `doing` describes the work in the message.
    pub fn from_tensor(x: Tensor<4>, doing: &'static str) -> Result<Self, DeviceError> {
        Ok(Self::from_planes(&HostTensor::read(x, doing)?))
    }

    /// Like [`Picture::from_tensor`], from host memory.
    pub(crate) fn from_planes(x: &HostTensor) -> Self {
        let (h, w) = match *x.shape.as_slice() {
            [_, 3, h, w] => (h, w),
            _ => (0, 0),
        };
        let planes = x.data.iter().zip(x.data.iter().skip(h * w)).zip(x.data.iter().skip(2 * h * w));
        let from_signed = |v: f32| (v / 2.0 + 0.5).clamp(0.0, 1.0);
        let pixels = planes.take(h * w).flat_map(|((r, g), b)| [*r, *g, *b].map(from_signed)).collect();
        Self::new(pixels, h, w)
    }

    /// Scales the picture to cover `width` by `height` pixels (Lanczos) and crops it at the centre.
    pub fn covering(&self, width: usize, height: usize) -> Self {
        if (self.width, self.height) == (width, height) || self.pixels.is_empty() {
            return self.clone();
        }
        let scale = f64::max(width as f64 / self.width as f64, height as f64 / self.height as f64);
        let side = |px: usize, least: usize| ((px as f64 * scale).round() as usize).max(least) as u32;
        let (w, h) = (side(self.width, width), side(self.height, height));
        let scaled = image::imageops::resize(&self.to_rgb8(), w, h, image::imageops::FilterType::Lanczos3);
        let (left, top) = ((w - width as u32) / 2, (h - height as u32) / 2);
        Self::from_rgb8(&image::imageops::crop_imm(&scaled, left, top, width as u32, height as u32).to_image())
    }

    /// Converts to an encoder's input: `[1, 3, h, w]` in -1..1.
    pub fn to_tensor(&self, device: &Device) -> Tensor<4> {
        let (h, w) = (self.height, self.width);
        let mut planes = Vec::with_capacity(3 * h * w);
        for channel in 0..3 {
            planes.extend(self.pixels.iter().skip(channel).step_by(3).map(|v| v * 2.0 - 1.0));
        }
        Tensor::from_data(TensorData::new(planes, [1, 3, h, w]), (device, DType::F32))
    }

    /// Converts to 8 bits per channel, rounding to nearest.
    pub fn to_rgb8(&self) -> RgbImage {
        let bytes = self.pixels.iter().map(|v| (v * 255.0).round() as u8).collect();
        RgbImage::from_raw(self.width as u32, self.height as u32, bytes).unwrap_or_default()
    }

    /// Converts from 8 bits per channel.
    pub fn from_rgb8(image: &RgbImage) -> Self {
        let pixels = image.as_raw().iter().map(|&v| f32::from(v) / 255.0).collect();
        Self::new(pixels, image.height() as usize, image.width() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bits_go_to_the_device_and_back() {
        let image = RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8 * 50, y as u8 * 100, 255 - x as u8]));
        let tensor = Picture::from_rgb8(&image).to_tensor(&Device::flex());
        assert_eq!(tensor.dims(), [1, 3, 3, 5]);
        let back = Picture::from_tensor(tensor, "reading").expect("the CPU does not fail");
        assert_eq!(back.to_rgb8(), image);
    }

    #[test]
    fn covering_crops_the_longer_side_at_its_centre() {
        // The left third is red, the middle green, the right blue. A square crop keeps the middle.
        let stripes =
            RgbImage::from_fn(96, 32, |x, _| image::Rgb([[255, 0, 0], [0, 255, 0], [0, 0, 255]][x as usize / 32]));
        let square = Picture::from_rgb8(&stripes).covering(16, 16);
        assert_eq!((square.width(), square.height()), (16, 16));
        assert_eq!(square.to_rgb8().get_pixel(8, 8), &image::Rgb([0, 255, 0]));
    }
}
