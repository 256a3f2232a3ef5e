//! Files of each format, compared with littlecms where colours are converted. `reference/export.py` wrote the fixtures.

use image::{
    DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, Rgb, RgbImage,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
};
use picture_file::{Bounds, Error, Note, Picture, memory_bytes, read};
use std::{fs, io::Cursor, path::Path};
use test_pictures::{file, pattern};

const TAKE: Bounds = Bounds { side_px: 64..=2048, side_step_px: 8 };

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).expect(name)
}

fn taken(file: &[u8]) -> Picture {
    read(file, &TAKE).expect("taken")
}

fn refusal(file: &[u8]) -> String {
    read(file, &TAKE).expect_err("refused").to_string()
}

fn is_near(found: [u8; 3], expected: [u8; 3], most: u8) -> bool {
    found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= most)
}

/// The colours in the middle of the 64 patches.
fn middles(picture: &RgbImage) -> Vec<[u8; 3]> {
    assert_eq!(picture.dimensions(), (64, 64));
    (0..64).map(|i| picture.get_pixel(8 * (i % 8) + 4, 8 * (i / 8) + 4).0).collect()
}

#[test]
fn profiles_of_every_format_become_srgb_as_littlecms_makes_them() {
    let expected: serde_json::Value = serde_json::from_slice(&fixture("patches.json")).expect("JSON");
    let mut seen = 0;
    for (name, colours) in expected.as_object().expect("names") {
        let colours: Vec<[u8; 3]> = serde_json::from_value(colours.clone()).expect("colours");
        let picture = taken(&fixture(name));
        assert_eq!(picture.notes, [], "{name}");
        // JPEG decoders differ by one or two, and a steep curve increases this; a table of inks is interpolated.
        let most = if name.ends_with(".jpg") { 5 } else { 1 };
        for (i, (found, colour)) in middles(&picture.rgb).into_iter().zip(colours).enumerate() {
            assert!(is_near(found, colour, most), "{name}, patch {i}: {found:?}, littlecms {colour:?}");
        }
        seen += 1;
    }
    assert_eq!(seen, 9);
    for (name, most) in [("adobe_rgb.png", 0), ("adobe_rgb.webp", 0), ("adobe_rgb.jpg", 2)] {
        let first = middles(&taken(&fixture(name)).rgb)[0];
        assert!(is_near(first, [0, 201, 37], most), "{name}: {first:?}");
    }
}

#[test]
fn sixteen_bits_are_converted_as_eight_are() {
    let eight = image::load_from_memory(&fixture("prophoto.png")).expect("decodes").into_rgb8();
    let wide: Vec<u8> = eight.as_raw().iter().flat_map(|value| [*value, *value]).collect();
    let mut png = Vec::new();
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_icc_profile(fixture("prophoto.icc")).expect("taken");
    encoder.write_image(&wide, 64, 64, ExtendedColorType::Rgb16).expect("written");
    let (narrow, wide) = (middles(&taken(&fixture("prophoto.png")).rgb), middles(&taken(&png).rgb));
    for (narrow, wide) in narrow.into_iter().zip(wide) {
        assert!(is_near(narrow, wide, 1), "{narrow:?} {wide:?}");
    }
}

fn with_profile(profile: Vec<u8>) -> [(&'static str, Vec<u8>); 3] {
    fn write(mut encoder: impl ImageEncoder, profile: Vec<u8>) {
        encoder.set_icc_profile(profile).expect("taken");
        DynamicImage::ImageRgb8(pattern(64, 64)).write_with_encoder(encoder).expect("written");
    }
    let (mut png, mut jpeg, mut webp) = (Vec::new(), Vec::new(), Vec::new());
    write(PngEncoder::new(&mut png), profile.clone());
    write(JpegEncoder::new_with_quality(&mut jpeg, 100), profile.clone());
    write(WebPEncoder::new_lossless(&mut webp), profile);
    [("PNG", png), ("JPEG", jpeg), ("WebP", webp)]
}

#[test]
fn srgb_s_own_profile_changes_no_pixel() {
    for (name, file) in with_profile(fixture("srgb.icc")) {
        let picture = taken(&file);
        assert_eq!(picture.notes, [], "{name}");
        if name != "JPEG" {
            assert_eq!(picture.rgb, pattern(64, 64), "{name}");
        }
    }
}

#[test]
fn a_profile_that_cannot_be_used_is_ignored_and_said() {
    let grey = {
        let mut profile = fixture("prophoto.icc");
        profile[16..20].copy_from_slice(b"GRAY");
        profile
    };
    for profile in [b"no profile".to_vec(), fixture("prophoto.icc")[..200].to_vec(), grey] {
        for (name, file) in with_profile(profile) {
            let picture = taken(&file);
            assert!(matches!(picture.notes[..], [Note::ProfileIgnored { .. }]), "{name}: {:?}", picture.notes);
            if name != "JPEG" {
                assert_eq!(picture.rgb, pattern(64, 64), "{name}");
            }
        }
    }
    // Compressed data that cannot be decompressed.
    let mut png = with_profile(fixture("prophoto.icc"))[0].1.clone();
    let at = png.windows(4).position(|name| name == b"iCCP").expect("there");
    let length = u32::from_be_bytes(png[at - 4..at].try_into().expect("four")) as usize;
    png[at + 12..at + 4 + length].fill(0xAA);
    let picture = taken(&png);
    assert!(matches!(picture.notes[..], [Note::ProfileIgnored { .. }]), "{:?}", picture.notes);
}

/// A PNG of one colour with the settings made by `colour`.
fn png_with(colour: impl FnOnce(&mut png::Encoder<'_, &mut Vec<u8>>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, 64, 64);
    encoder.set_color(png::ColorType::Rgb);
    colour(&mut encoder);
    encoder.write_header().expect("written").write_image_data(&[90, 200, 60].repeat(64 * 64)).expect("written");
    out
}

/// Inserts a chunk before the pixels.
fn with_chunk(png: &[u8], name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [&name[..], data].concat();
    let mut crc = u32::MAX;
    for byte in &named {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    let length = u32::try_from(data.len()).expect("short").to_be_bytes();
    [&png[..33], &length, &named, &(!crc).to_be_bytes(), &png[33..]].concat()
}

#[test]
fn chunks_of_a_png_that_tell_its_colour_are_followed_in_their_order() {
    let first = |png: &[u8]| taken(png).rgb.get_pixel(0, 0).0;
    let scaled = |value: u32| png::ScaledFloat::from_scaled(value);
    let point = |x, y| (scaled(x), scaled(y));
    let adobe = png::SourceChromaticities {
        white: point(31_270, 32_900),
        red: point(64_000, 33_000),
        green: point(21_000, 71_000),
        blue: point(15_000, 6_000),
    };
    let plain = png_with(|_| ());
    assert_eq!(first(&plain), [90, 200, 60]);
    let linear = png_with(|encoder| encoder.set_source_gamma(scaled(100_000)));
    assert_eq!(first(&linear), [160, 229, 133]);
    let of_adobe = png_with(|encoder| {
        encoder.set_source_gamma(scaled(45_471));
        encoder.set_source_chromaticities(adobe);
    });
    assert_eq!(first(&of_adobe), [0, 201, 37]);
    // sRGB's chunk has priority over these, and the code points have priority over all.
    let srgb = with_chunk(&of_adobe, b"sRGB", &[0]);
    assert_eq!(first(&srgb), [90, 200, 60]);
    // Display P3, computed by littlecms: (90, 200, 60) becomes (0, 203, 7).
    let p3 = with_chunk(&srgb, b"cICP", &[12, 13, 0, 1]);
    assert!(is_near(first(&p3), [0, 203, 7], 1), "{:?}", first(&p3));
    for (transfer, name) in [(16, "PQ"), (18, "HLG")] {
        let told = refusal(&with_chunk(&plain, b"cICP", &[9, transfer, 0, 1]));
        assert!(told.contains("high dynamic range") && told.contains(name), "{told}");
    }
    let video = taken(&with_chunk(&plain, b"cICP", &[1, 1, 0, 0]));
    assert!(matches!(video.notes[..], [Note::ProfileIgnored { .. }]), "{:?}", video.notes);
}

/// EXIF data: "II", 42; the orientation's entry (0x112), a short: 6, a quarter turn to the right; colour space 2, Adobe
/// RGB.
fn exif() -> Vec<u8> {
    let entry = |tag: u16, kind: u16, value: u32| {
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &1_u32.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    let head = [b"II*\0".to_vec(), 8_u32.to_le_bytes().to_vec(), 2_u16.to_le_bytes().to_vec()].concat();
    let second = [1_u16.to_le_bytes().to_vec(), entry(0xA001, 3, 2), vec![0; 4]].concat();
    [head, entry(0x0112, 3, 6), entry(0x8769, 4, 38), vec![0; 4], second].concat()
}

#[test]
fn exif_turns_the_picture_and_marks_adobe_rgb_in_every_format() {
    fn write(mut encoder: impl ImageEncoder) {
        let left_is_black = RgbImage::from_fn(128, 64, |x, _| Rgb(if x < 64 { [0; 3] } else { [90, 200, 60] }));
        encoder.set_exif_metadata(exif()).expect("taken");
        DynamicImage::ImageRgb8(left_is_black).write_with_encoder(encoder).expect("written");
    }
    let (mut png, mut jpeg, mut webp) = (Vec::new(), Vec::new(), Vec::new());
    write(PngEncoder::new(&mut png));
    write(JpegEncoder::new_with_quality(&mut jpeg, 100));
    write(WebPEncoder::new_lossless(&mut webp));
    for (name, file) in [("PNG", png), ("JPEG", jpeg), ("WebP", webp)] {
        let made = taken(&file).rgb;
        assert_eq!(made.dimensions(), (64, 128), "{name}");
        let (top, bottom) = (made.get_pixel(32, 20).0, made.get_pixel(32, 108).0);
        assert!(is_near(top, [0; 3], 2) && is_near(bottom, [0, 201, 37], 5), "{name}: {top:?} above {bottom:?}");
    }
}

#[test]
fn every_size_is_scaled_and_trimmed_as_little_as_need_be() {
    assert_eq!(taken(&file(pattern(72, 64), ImageFormat::Png)).rgb, pattern(72, 64));
    let inner = DynamicImage::ImageRgb8(pattern(75, 71)).crop_imm(1, 3, 72, 64).into_rgb8();
    assert_eq!(taken(&file(pattern(75, 71), ImageFormat::WebP)).rgb, inner);
    assert_eq!(taken(&file(RgbImage::new(10, 20), ImageFormat::Png)).rgb.dimensions(), (64, 128));
    // Scaling keeps the content: black on the left, white on the right.
    let halves = RgbImage::from_fn(2600, 1300, |x, _| Rgb([if x < 1300 { 0 } else { 255 }; 3]));
    let small = taken(&file(halves, ImageFormat::Png)).rgb;
    assert_eq!(small.dimensions(), (2048, 1024));
    assert_eq!((small.get_pixel(1000, 500).0, small.get_pixel(1047, 500).0), ([0; 3], [255; 3]));
    let told = "must be at most 32 times as wide as high, or as high as wide, not 2000 x 50 pixels";
    assert_eq!(refusal(&file(RgbImage::new(2000, 50), ImageFormat::Png)), told);
}

#[test]
fn scaling_is_as_the_crate_image_does_it_and_keeps_hidden_colours_hidden() {
    let smooth = RgbImage::from_fn(2400, 1600, |x, y| {
        let wave = |of: u32, length: f64| (127.5 + 127.5 * (f64::from(of) / length).sin()) as u8;
        Rgb([wave(x, 90.0), wave(y, 70.0), wave(x + y, 110.0)])
    });
    let expected =
        DynamicImage::ImageRgb8(smooth.clone()).resize_exact(2048, 1365, image::imageops::FilterType::Lanczos3);
    let made = taken(&file(smooth, ImageFormat::Png)).rgb;
    let expected = expected.crop_imm(0, 2, 2048, 1360).into_rgb8();
    let worst = made.as_raw().iter().zip(expected.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst.is_some_and(|worst| worst <= 2), "{worst:?}");
    // Fully transparent red beside blue: on white there is no red, and no dark rim.
    let half = image::RgbaImage::from_fn(3000, 96, |x, _| {
        image::Rgba(if x < 1500 { [255, 0, 0, 0] } else { [0, 0, 255, 255] })
    });
    let mut png = Cursor::new(Vec::new());
    DynamicImage::ImageRgba8(half).write_to(&mut png, ImageFormat::Png).expect("written");
    let made = taken(&png.into_inner()).rgb;
    assert!(made.pixels().all(|pixel| pixel.0[0].abs_diff(pixel.0[1]) <= 1 && pixel.0[2] >= 250));
}

#[test]
fn cut_files_are_refused_wherever_they_are_cut() {
    for name in [
        "baseline.jpg",
        "restarts.jpg",
        "progressive.jpg",
        "grey.jpg",
        "lossy.webp",
        "adobe_rgb.webp",
        "scene.png",
        "inks.jpg",
    ] {
        let whole = fixture(name);
        assert!(read(&whole, &TAKE).is_ok(), "{name}");
        // The last bytes are an end marker, or a chunk that marks the end.
        let must_be_there = whole.len() - if name.ends_with(".png") { 16 } else { 8 };
        let cuts = (0..must_be_there).step_by((must_be_there / 97).max(1)).chain([must_be_there]);
        for cut in cuts {
            assert!(read(&whole[..cut], &TAKE).is_err(), "{name}: {cut} of {} bytes", whole.len());
        }
        for tenth in 1..10 {
            let told = refusal(&whole[..whole.len() * tenth / 10]);
            assert!(told.starts_with("is a broken picture: "), "{name}, {tenth} tenths: {told}");
        }
    }
}

#[test]
fn a_cut_jpeg_is_refused_also_with_an_end_behind_the_cut_or_filled_up() {
    for name in ["baseline.jpg", "restarts.jpg", "progressive.jpg", "grey.jpg"] {
        let whole = fixture(name);
        for tenth in 2..9 {
            let cut = &whole[..whole.len() * tenth / 10];
            let ended = [cut, &[0xFF, 0xD9]].concat();
            assert!(read(&ended, &TAKE).is_err(), "{name}: an end behind {tenth} tenths");
            for filling in [0, 0xFF, 0x20] {
                let mut filled = cut.to_vec();
                filled.resize(whole.len(), filling);
                assert!(read(&filled, &TAKE).is_err(), "{name}: {tenth} tenths, then {filling}");
            }
        }
    }
}

#[test]
fn whole_jpegs_are_taken_however_they_end() {
    // Rows of a few bits: reading ahead goes past the last of them.
    for name in ["narrow.jpg", "baseline.jpg", "restarts.jpg", "grey.jpg", "progressive.jpg"] {
        let whole = fixture(name);
        let picture = taken(&whole);
        let more = [&whole[..], b"what stands behind the end"].concat();
        assert_eq!(taken(&more), picture, "{name}");
        let twice = [&whole[..], &whole[..]].concat();
        assert_eq!(taken(&twice), picture, "{name}");
        assert_eq!(taken(&whole[..whole.len() - 2]), picture, "{name}: only the end marker is missing");
    }
    for side in [64, 65, 72, 100, 333] {
        for (width, height) in [(side, 64), (64, side)] {
            let flat = RgbImage::from_pixel(width, height, Rgb([200, 30, 30]));
            assert!(read(&file(flat, ImageFormat::Jpeg), &TAKE).is_ok(), "{width} x {height}");
        }
    }
}

#[test]
fn the_first_picture_of_an_animation_is_used_and_said() {
    for name in ["moving.png", "moving.webp"] {
        let picture = taken(&fixture(name));
        assert_eq!(picture.notes, [Note::FirstPictureOnly], "{name}");
        assert_eq!(picture.rgb.dimensions(), (80, 64), "{name}");
        let blue = |y: u32| (0..80).map(|x| u32::from(picture.rgb.get_pixel(x, y).0[1])).sum::<u32>();
        assert!(blue(4) < blue(60), "{name}: the second one stands on its head");
    }
}

/// The same file with another size in its header.
fn with_size(mut png: Vec<u8>, width: u32, height: u32) -> Vec<u8> {
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = u32::MAX;
    for byte in &png[12..29] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    png[29..33].copy_from_slice(&(!crc).to_be_bytes());
    png
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_limit() {
    let png = file(pattern(64, 64), ImageFormat::Png);
    assert!(read(&with_size(png.clone(), 64, 64), &TAKE).is_ok(), "the header's checksum is right");
    for other in [&b"GIF89a\x01\x00\x01\x00"[..], b"a red car", b"BM", b"\x89PNG", b"RIFF", b""] {
        assert_eq!(refusal(other), "is no PNG, JPEG or WebP picture");
        assert_eq!(memory_bytes(other), Err(Error::Format));
    }
    let webp = file(pattern(64, 64), ImageFormat::WebP);
    for broken in [&png[..png.len() / 2], &png[..20], &webp[..webp.len() / 2], &webp[..20], b"\xff\xd8\xff"] {
        assert!(refusal(broken).starts_with("is a broken picture: "), "{} bytes", broken.len());
    }
    for (width, height) in [(20_000, 8), (8, 20_000), (0x7FFF_FFFF, 64)] {
        let wide = with_size(png.clone(), width, height);
        assert_eq!(refusal(&wide), "must be at most 16384 pixels a side", "{width} x {height}");
        assert_eq!(memory_bytes(&wide), Err(Error::Side));
    }
    let bomb = with_size(png, 16_000, 16_000);
    assert_eq!(refusal(&bomb), "must have at most 100 megapixels");
    assert_eq!(memory_bytes(&bomb), Err(Error::Pixels));
}

#[test]
fn memory_is_estimated_from_the_header_alone() {
    const FIXED: u64 = 64 << 20;
    for (name, pixel, decoding, (width, height)) in [
        ("baseline.jpg", 3, 3, (320, 200)),
        ("progressive.jpg", 3, 9, (320, 200)),
        ("inks.jpg", 4, 4, (64, 64)),
        ("grey.jpg", 1, 1, (320, 200)),
        ("scene.png", 3, 3, (160, 104)),
        ("lossy.webp", 3, 7, (320, 200)),
    ] {
        let file = fixture(name);
        // A JPEG is copied once.
        let copy = if name.ends_with(".jpg") { file.len() as u64 } else { 0 };
        let expected = FIXED + copy + (pixel + decoding) * width * height;
        assert_eq!(memory_bytes(&file), Ok(expected), "{name}");
    }
    let jpeg = fixture("baseline.jpg");
    let half = memory_bytes(&jpeg[..jpeg.len() / 2]).expect("told");
    assert_eq!(memory_bytes(&jpeg), Ok(half + jpeg.len().div_ceil(2) as u64));
}
