//! Places a picture on the animation's canvas.

use image::{DynamicImage, RgbImage, imageops};

/// Returns the picture at this size: unchanged, or scaled to fit with its aspect ratio, centred on black.
pub fn fitted(picture: DynamicImage, width: u32, height: u32) -> RgbImage {
    if (picture.width(), picture.height()) == (width, height) {
        return picture.into_rgb8();
    }
    let scaled = picture.resize(width, height, imageops::FilterType::CatmullRom).into_rgb8();
    let mut canvas = RgbImage::new(width, height);
    let (left, top) = ((width - scaled.width()) / 2, (height - scaled.height()) / 2);
    imageops::replace(&mut canvas, &scaled, left.into(), top.into());
    canvas
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn another_shape_is_fitted_into_the_middle_of_black() {
        let white = DynamicImage::ImageRgb8(RgbImage::from_pixel(20, 10, Rgb([255; 3])));
        let canvas = fitted(white, 40, 40);
        assert_eq!(canvas.dimensions(), (40, 40));
        assert_eq!((canvas.get_pixel(20, 9).0, canvas.get_pixel(20, 30).0), ([0; 3], [0; 3]), "above and below");
        for (x, y) in [(0, 10), (39, 10), (0, 29), (39, 29), (20, 20)] {
            assert_eq!(canvas.get_pixel(x, y).0, [255; 3], "{x}, {y}");
        }
    }
}
