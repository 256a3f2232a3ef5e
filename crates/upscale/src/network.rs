//! A loaded network, and how it enlarges a picture.

use crate::{compact::Compact, esrgan::Esrgan, source::FileSource, span::Span, tiles::Tiles};
use burn::tensor::{DType, Device, Tensor, TensorData};
use checkpoint::{UpscalerFile, UpscalerSpec};
use image::{RgbImage, imageops};
use sdxl::{Compute, HostTensor, LoadError, Loader};
use std::ops::ControlFlow;
use thiserror::Error;

/// Neighbours that a tile of an ESRGAN reads. Its nominal reach is hundreds of pixels; beyond 16 no difference is visible.
const ESRGAN_OVERLAP: usize = 32;
/// The largest result, in pixels: of 16384 x 16384.
const MAX_PIXELS: u64 = 1 << 28;

/// Why a picture could not be enlarged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The result would be too large.
    #[error("{width} x {height} pixels are more than {} megapixels", MAX_PIXELS >> 20)]
    TooLarge {
        /// Width of the result.
        width: u64,
        /// Height of the result.
        height: u64,
    },
    /// An error of the device.
    #[error(transparent)]
    Device(#[from] sdxl::DeviceError),
}

#[derive(Clone, Debug)]
enum Network {
    Esrgan(Box<Esrgan>),
    Compact(Box<Compact>),
    Span(Box<Span>),
}

/// A network on a device.
#[derive(Clone, Debug)]
pub struct Upscaler {
    network: Network,
    spec: UpscalerSpec,
    device: Device,
}

impl Upscaler {
    /// Loads a network, in f32.
    ///
    /// # Errors
    /// A tensor that is missing, left over, or of another shape.
    pub fn load(file: &UpscalerFile, compute: &Compute) -> Result<Self, LoadError> {
        let device = &compute.device;
        let (mut source, mut progress) = (FileSource(file), |_, _| {});
        let mut loader = Loader::new("upscaler", &mut source, device, DType::F32, &mut progress);
        let root = loader.root();
        let network = match file.spec() {
            UpscalerSpec::Esrgan { features, growth, blocks, doublings, unshuffle } => {
                Network::Esrgan(Box::new(Esrgan::load(root, [features, growth], blocks, doublings, unshuffle)?))
            }
            UpscalerSpec::Compact { features, convs, scale } => {
                Network::Compact(Box::new(Compact::load(root, features, convs, scale)?))
            }
            UpscalerSpec::Span { features, scale, normalized } => {
                Network::Span(Box::new(Span::load(root, features, scale, normalized)?))
            }
        };
        loader.finish()?;
        Ok(Self { network, spec: file.spec(), device: device.clone() })
    }

    /// What the network is.
    pub fn spec(&self) -> UpscalerSpec {
        self.spec
    }

    /// # Shapes
    /// `[1, 3, h, w] -> [1, 3, s * h, s * w]`, pixels in 0..1; the result may lie a little outside
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.network {
            Network::Esrgan(network) => network.forward(x),
            Network::Compact(network) => network.forward(x),
            Network::Span(network) => network.forward(x),
        }
    }

    /// Neighbours that a tile reads. With those of Compact and SPAN the result is that of the whole picture.
    fn overlap(&self) -> usize {
        match &self.network {
            Network::Esrgan(_) => ESRGAN_OVERLAP,
            Network::Compact(network) => network.reach(),
            Network::Span(network) => network.reach(),
        }
    }

    /// The picture, enlarged by the network's own factor. Calls `progress(tiles done, tiles)` after each tile; `Break` ends
    /// the work, and the result is `None`.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a result of more than 256 megapixels; errors of the device.
    pub fn upscale(
        &self,
        picture: &RgbImage,
        tiles: Tiles,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Option<RgbImage>, Error> {
        let scale = self.spec.scale();
        let mut result = canvas(picture, scale)?;
        let [rows, columns] =
            [picture.height(), picture.width()].map(|side| tiles.parts(side as usize, self.overlap()));
        let total = rows.len() * columns.len();
        for (done, (row, column)) in
            rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column))).enumerate()
        {
            let [x, y] = [column.read.start as u32, row.read.start as u32];
            let tile = imageops::crop_imm(picture, x, y, column.read.len() as u32, row.read.len() as u32).to_image();
            let enlarged = read(self.forward(tensor(&tile, &self.device)))?;
            let from =
                [column.keep.start - column.read.start, row.keep.start - row.read.start].map(|at| (at * scale) as u32);
            let size = [column.keep.len(), row.keep.len()].map(|side| (side * scale) as u32);
            let kept = imageops::crop_imm(&enlarged, from[0], from[1], size[0], size[1]).to_image();
            imageops::replace(&mut result, &kept, (column.keep.start * scale) as i64, (row.keep.start * scale) as i64);
            if progress(done + 1, total).is_break() {
                return Ok(None);
            }
        }
        Ok(Some(result))
    }

    /// The picture, enlarged by any factor: by the network as often as needed, then reduced by Lanczos (a = 3).
    /// `progress` counts the tiles of each pass.
    ///
    /// # Errors
    /// As [`Upscaler::upscale`].
    pub fn upscale_by(
        &self,
        picture: &RgbImage,
        factor: u32,
        tiles: Tiles,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Option<RgbImage>, Error> {
        let [width, height] = [picture.width(), picture.height()].map(|side| side.saturating_mul(factor));
        check([width.into(), height.into()])?;
        let mut enlarged = picture.clone();
        // A network of factor 1 restores: it runs once and Lanczos enlarges.
        loop {
            match self.upscale(&enlarged, tiles, progress)? {
                Some(more) => enlarged = more,
                None => return Ok(None),
            }
            if enlarged.width() >= width || self.spec.scale() == 1 {
                break;
            }
        }
        Ok(Some(match enlarged.dimensions() == (width, height) {
            true => enlarged,
            false => imageops::resize(&enlarged, width, height, imageops::FilterType::Lanczos3),
        }))
    }
}

/// An empty picture for the result.
fn canvas(picture: &RgbImage, scale: usize) -> Result<RgbImage, Error> {
    let [width, height] = [picture.width(), picture.height()].map(|side| u64::from(side) * scale as u64);
    check([width, height])?;
    Ok(RgbImage::new(width as u32, height as u32))
}

fn check([width, height]: [u64; 2]) -> Result<(), Error> {
    match width * height > MAX_PIXELS {
        true => Err(Error::TooLarge { width, height }),
        false => Ok(()),
    }
}

/// Pixels in 0..1, `[1, 3, h, w]`.
fn tensor(picture: &RgbImage, device: &Device) -> Tensor<4> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut values = Vec::with_capacity(3 * width * height);
    for channel in 0..3 {
        values.extend(picture.pixels().map(|pixel| f32::from(pixel.0[channel]) / 255.0));
    }
    Tensor::from_data(TensorData::new(values, [1, 3, height, width]), device)
}

/// Rounds to 8 bits.
fn read(x: Tensor<4>) -> Result<RgbImage, Error> {
    let [_, _, height, width] = x.dims();
    let host = HostTensor::read(x, "reading an enlarged tile")?;
    let pixels = height * width;
    Ok(RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = y as usize * width + x as usize;
        image::Rgb([0, 1, 2].map(|channel| (host.data[channel * pixels + at].clamp(0.0, 1.0) * 255.0).round() as u8))
    }))
}
