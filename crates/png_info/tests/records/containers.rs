//! Texts in each file format. The pictures were written by Pillow and piexif (tests/reference/pictures.py).

use super::fixture;
use png_info::{Error, Info};

fn read(name: &str) -> Info {
    png_info::read(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a1111s_text_is_read_in_every_place() {
    for (name, word) in [
        ("itxt.png", "雪"),
        ("itxt_zipped.png", "雪"),
        ("text.png", "forêt"),
        ("ztxt.png", "forêt"),
        ("utf8_text.png", "雪"),
        ("exif.png", "雪"),
        ("a1111.jpg", "雪"),
        ("little_endian.jpg", "雪"),
        ("utf8_comment.jpg", "雪"),
        ("ascii.jpg", "snow"),
        ("no_code.jpg", "雪"),
        ("undefined_le.jpg", "雪"),
        ("undefined_be.jpg", "雪"),
        ("no_code_utf16.jpg", "雪"),
        ("no_code_mark.jpg", "雪"),
        ("wrong_code.jpg", "雪"),
        ("description.jpg", "snow"),
        ("comment.jpg", "雪"),
        ("a1111.webp", "雪"),
        ("exif_header.webp", "雪"),
    ] {
        let info = read(name);
        assert!(info.a1111.is_some_and(|text| text.starts_with(&format!("a red fox, {word}\n"))), "{name}");
        let record = info.record.unwrap_or_else(|| panic!("{name}"));
        let set = &record.settings;
        assert_eq!(set.prompt, Some(format!("a red fox, {word}")), "{name}");
        assert_eq!((set.negative_prompt.as_deref(), set.steps, set.seed), (Some("blurry"), Some(25), Some(42)));
        assert_eq!((set.width, set.height, set.cfg_scale), (Some(832), Some(1216), Some(6.5)), "{name}");
        assert_eq!((set.sampler.as_deref(), set.scheduler.as_deref()), (Some("dpmpp_2m"), Some("karras")), "{name}");
        assert_eq!((record.program.as_str(), record.program_version.as_deref()), ("A1111", Some("v1.6.0")), "{name}");
    }
}

#[test]
fn records_of_other_programs_are_read_in_jpeg_and_webp() {
    for (name, program, prompt) in [
        ("fooocus.jpg", "Fooocus", "a stone bridge"),
        ("swarmui.jpg", "SwarmUI", "a wooden boat, 湖"),
        ("comfyui.webp", "ComfyUI", "a red fox, \"snow\""),
        ("novelai.webp", "NovelAI", "1girl, {{snow}}, forest"),
    ] {
        let record = read(name).record.unwrap_or_else(|| panic!("{name}"));
        assert_eq!((record.program.as_str(), record.settings.prompt.as_deref()), (program, Some(prompt)), "{name}");
    }
}

#[test]
fn a_cameras_comments_are_no_record() {
    assert_eq!(read("camera.jpg"), Info::default());
}

#[test]
fn a_text_before_damaged_pixels_is_read() {
    for (name, pixels) in [("text.png", &b"IDAT"[..]), ("a1111.jpg", b"\xff\xda")] {
        let mut file = fixture(name);
        let at = file.windows(pixels.len()).position(|part| part == pixels).expect("pixels") + pixels.len();
        file.truncate(at + 3);
        assert!(png_info::read(&file).expect("readable").record.is_some(), "{name}, cut in its pixels");
        file.truncate(at - pixels.len());
        assert!(matches!(png_info::read(&file), Err(Error::Broken { .. })), "{name}, cut before its pixels");
    }
    let mut file = fixture("text.png");
    let at = file.windows(4).position(|part| part == b"IDAT").expect("pixels");
    file[at + 6] ^= 0xFF;
    assert!(png_info::read(&file).expect("readable").record.is_some(), "damage in the pixels");
}

#[test]
fn a_damaged_text_is_no_record() {
    let mut file = fixture("text.png");
    let at = file.windows(4).position(|part| part == b"tEXt").expect("a text");
    file[at + 20] ^= 1;
    assert_eq!(png_info::read(&file).expect("a PNG"), Info::default());
}

#[test]
fn other_formats_are_refused_by_name() {
    for other in [&b"GIF89a"[..], b"", b"BM", b"RIFF\0\0\0\0WAVE", b"\x89PNG", b"\xff\xd8"] {
        let error = png_info::read(other).expect_err("refused");
        assert_eq!(error.to_string(), "is no PNG, JPEG or WebP picture");
    }
    let webp = png_info::read(b"RIFF\x04\0\0\0WEBP").expect_err("refused");
    assert_eq!(webp.to_string(), "is a broken WebP file: it ends before its pixels begin");
}

/// Latin-1 that is also valid UTF-8 is written so that every reader reads the same.
#[test]
fn what_is_written_is_read_whatever_readers_expect() {
    for prompt in ["Ã©", "é", "Ã\u{a0}", "a\u{80}", "日本", "ÿþ", "\u{c3}"] {
        let made = png_info::Parameters { prompt: prompt.to_owned(), ..super::infotext::parameters() };
        let info = png_info::read(&png_info::encode(&[0; 3], 1, 1, Some(&made)).expect("written")).expect("read");
        assert_eq!(info.parameters.as_ref(), Some(&made));
        assert_eq!(info.a1111, Some(made.to_a1111()), "{prompt:?}");
    }
}

/// Every truncation and many modifications of each fixture: a result or an error, never a panic.
#[test]
fn damaged_files_are_answered() {
    for name in ["itxt_zipped.png", "exif.png", "ztxt.png", "a1111.jpg", "little_endian.jpg", "exif_header.webp"] {
        let file = fixture(name);
        for end in 0..file.len() {
            _ = png_info::read(&file[..end]);
        }
        for at in 0..file.len() {
            for with in [0, 1, 0x7F, 0xFF] {
                let mut damaged = file.clone();
                damaged[at] = with;
                _ = png_info::read(&damaged);
            }
        }
    }
}
