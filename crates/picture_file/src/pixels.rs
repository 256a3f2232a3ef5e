//! Decoded pixels, before colour conversion.

use crate::Error;
use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};

/// The channels of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// Grey.
    Grey,
    /// Grey and alpha.
    GreyAlpha,
    /// Three colours.
    Rgb,
    /// Three colours and alpha.
    Rgba,
    /// Four inks; 0 means none.
    Cmyk,
}

impl Channels {
    /// Values per pixel.
    pub fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }

    fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba)
    }
}

/// Values `[height, width, channels]`, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Samples {
    /// 0 to 255.
    U8(Vec<u8>),
    /// 0 to 65535.
    U16(Vec<u16>),
}

/// A picture as stored in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The channels.
    pub channels: Channels,
    /// The values.
    pub samples: Samples,
}

impl Pixels {
    /// Scales the picture with a Lanczos filter of three lobes. Transparent pixels do not affect their neighbours'
    /// colours.
    pub fn scaled(self, (width, height): (u32, u32)) -> Result<Self, Error> {
        if (width, height) == (self.width, self.height) {
            return Ok(self);
        }
        let bytes: &[u8] = match &self.samples {
            Samples::U8(values) => values,
            Samples::U16(values) => bytemuck::cast_slice(values),
        };
        let refused = |error: &dyn std::fmt::Display| Error::Broken(format!("it cannot be scaled: {error}"));
        let kind = self.pixel_type();
        let from = ImageRef::new(self.width, self.height, bytes, kind).map_err(|error| refused(&error))?;
        let mut to = Image::new(width, height, kind);
        let filter = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
            .use_alpha(self.channels.has_alpha());
        Resizer::new().resize(&from, &mut to, &filter).map_err(|error| refused(&error))?;
        let samples = match self.samples {
            Samples::U8(_) => Samples::U8(to.into_vec()),
            Samples::U16(_) => Samples::U16(bytemuck::pod_collect_to_vec(to.buffer())),
        };
        Ok(Self { width, height, channels: self.channels, samples })
    }

    fn pixel_type(&self) -> PixelType {
        match (&self.samples, self.channels) {
            (Samples::U8(_), Channels::Grey) => PixelType::U8,
            (Samples::U8(_), Channels::GreyAlpha) => PixelType::U8x2,
            (Samples::U8(_), Channels::Rgb) => PixelType::U8x3,
            (Samples::U8(_), Channels::Rgba | Channels::Cmyk) => PixelType::U8x4,
            (Samples::U16(_), Channels::Grey) => PixelType::U16,
            (Samples::U16(_), Channels::GreyAlpha) => PixelType::U16x2,
            (Samples::U16(_), Channels::Rgb) => PixelType::U16x3,
            (Samples::U16(_), Channels::Rgba | Channels::Cmyk) => PixelType::U16x4,
        }
    }
}
