//! Written files are read back, with decoders independent of the writers where available.

use export::{Error, Format, Later, Picture, Sequence, Still};
use image::{
    AnimationDecoder, Rgb, RgbImage, codecs::gif::GifDecoder, codecs::png::PngDecoder, codecs::webp::WebPDecoder,
};
use std::{
    fs::File,
    io::{BufReader, Read},
    ops::ControlFlow,
    path::Path,
    process::Command,
};

const COLOURS: [[u8; 3]; 4] = [[220, 30, 30], [30, 200, 40], [20, 60, 210], [240, 230, 20]];

/// Four pictures of one colour each at 12 frames per second. The third has a duration of three frames; the last has
/// another size.
fn sequence(folder: &Path) -> Sequence {
    let stills = COLOURS.iter().enumerate().map(|(i, colour)| {
        let (path, side) = (folder.join(format!("{i}.png")), if i == 3 { 32 } else { 48 });
        RgbImage::from_pixel(side, side, Rgb(*colour)).save(&path).expect("saved");
        Still { picture: path.into(), duration: if i == 2 { 3 } else { 1 } }
    });
    Sequence { stills: stills.collect(), fps: 12, width: 48, height: 48 }
}

fn path_of(sequence: &Sequence, place: usize) -> &Path {
    match &sequence.stills[place].picture {
        Picture::File(path) => path,
        Picture::Png(_) | Picture::Later(_) => panic!("picture {place} is no file"),
    }
}

fn written(format: Format) -> (tempfile::TempDir, BufReader<File>) {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let mut told = Vec::new();
    let mut watch = |done| {
        told.push(done);
        ControlFlow::Continue(())
    };
    sequence(folder.path()).write(format, &out, &mut watch).expect("written");
    assert_eq!(told, [1, 2, 3, 4]);
    (folder, BufReader::new(File::open(out).expect("there")))
}

#[test]
fn a_picture_that_is_read_later_makes_the_same_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = sequence(folder.path());
    let mut later = plain.clone();
    for (place, still) in later.stills.iter_mut().enumerate() {
        let path = path_of(&plain, place).to_owned();
        still.picture = Picture::Later(Later::new(move || std::fs::read(&path)));
    }
    let out = folder.path().join("out");
    let write = |of: &Sequence, format| of.write(format, &out, &mut |_| ControlFlow::Continue(()));
    let bytes = |of: &Sequence, format| {
        write(of, format).expect("written");
        std::fs::read(&out).expect("read")
    };
    for format in [Format::Apng, Format::Gif] {
        assert_eq!(bytes(&later, format), bytes(&plain, format), "{format:?}");
    }
    std::fs::remove_file(path_of(&plain, 2)).expect("removed");
    let error = write(&later, Format::Zip).expect_err("the third is gone");
    assert!(matches!(&error, Error::Pictures(gone) if gone[0].number == 3), "{error}");
}

/// For each picture the delay in milliseconds and the colour in the middle.
fn frames<'a>(decoder: impl AnimationDecoder<'a>) -> Vec<(u32, [u8; 3])> {
    let frames = decoder.into_frames().collect_frames().expect("decodes");
    let of = |frame: image::Frame| {
        assert_eq!(frame.buffer().dimensions(), (48, 48));
        let (numerator, denominator) = frame.delay().numer_denom_ms();
        let middle = frame.buffer().get_pixel(24, 24).0;
        (numerator / denominator, [middle[0], middle[1], middle[2]])
    };
    frames.into_iter().map(of).collect()
}

#[test]
fn an_apng_has_every_picture_for_its_time() {
    let (_folder, file) = written(Format::Apng);
    let found = frames(PngDecoder::new(file).expect("a PNG").apng().expect("animated"));
    assert_eq!(found, [(83, COLOURS[0]), (83, COLOURS[1]), (250, COLOURS[2]), (83, COLOURS[3])]);
}

#[test]
fn a_webp_has_every_picture_for_its_time_and_nothing_drifts() {
    let (_folder, file) = written(Format::Webp);
    let found = frames(WebPDecoder::new(file).expect("a WebP"));
    assert_eq!(found, [(83, COLOURS[0]), (84, COLOURS[1]), (250, COLOURS[2]), (83, COLOURS[3])]);
}

#[test]
fn a_gif_has_every_picture_for_its_time_and_nothing_drifts() {
    let (_folder, file) = written(Format::Gif);
    let found = frames(GifDecoder::new(file).expect("a GIF"));
    assert_eq!(found.iter().map(|(delay, _)| *delay).collect::<Vec<_>>(), [80, 90, 250, 80]);
    for ((_, found), colour) in found.iter().zip(COLOURS) {
        assert!(found.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 8), "{found:?} for {colour:?}");
    }
}

#[test]
fn a_gif_of_more_than_fifty_a_second_takes_its_time_and_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let still = sequence(folder.path()).stills.swap_remove(0);
    let quick = Sequence { stills: vec![Still { duration: 1, ..still }; 60], fps: 60, width: 48, height: 48 };
    let out = folder.path().join("out.gif");
    quick.write(Format::Gif, &out, &mut |_| ControlFlow::Continue(())).expect("written");
    let file = BufReader::new(File::open(out).expect("there"));
    let delays: Vec<u32> = frames(GifDecoder::new(file).expect("a GIF")).iter().map(|(delay, _)| *delay).collect();
    assert_eq!(delays.iter().sum::<u32>(), 1000);
    assert!(delays.iter().all(|delay| *delay >= 20), "{delays:?}");
}

/// Durations in milliseconds and middle colours, for a sequence of small pictures of one colour each.
fn long(format: Format, fps: u32, durations: &[u32]) -> Vec<(u64, [u8; 3])> {
    let folder = tempfile::tempdir().expect("a folder");
    let stills = durations.iter().zip(COLOURS).enumerate().map(|(i, (duration, colour))| {
        let path = folder.path().join(format!("{i}.png"));
        RgbImage::from_pixel(48, 48, Rgb(colour)).save(&path).expect("saved");
        Still { picture: path.into(), duration: *duration }
    });
    let sequence = Sequence { stills: stills.collect(), fps, width: 48, height: 48 };
    let out = folder.path().join("out");
    sequence.write(format, &out, &mut |_| ControlFlow::Continue(())).expect("written");
    let file = BufReader::new(File::open(out).expect("there"));
    let found = match format {
        Format::Gif => frames(GifDecoder::new(file).expect("a GIF")),
        Format::Apng => frames(PngDecoder::new(file).expect("a PNG").apng().expect("animated")),
        _ => frames(WebPDecoder::new(file).expect("a WebP")),
    };
    found.into_iter().map(|(delay, colour)| (delay.into(), colour)).collect()
}

#[test]
fn times_past_a_format_s_field_are_kept_by_showing_a_picture_again() {
    // At one frame per second: 655.36 s, more than GIF's 16 bits of hundredths can hold, then some that fit.
    for (format, durations, parts) in [
        (Format::Gif, [656, 655, 10_000, 1], 2 + 1 + 16 + 1),
        (Format::Apng, [70_000, 65_535, 200_000, 1], 2 + 1 + 4 + 1),
        (Format::Webp, [20_000, 16_777, 40_000, 1], 2 + 1 + 3 + 1),
    ] {
        let found = long(format, 1, &durations);
        assert_eq!(found.len(), parts, "{format:?}");
        for (duration, colour) in durations.into_iter().zip(COLOURS) {
            let is_it = |found: &[u8; 3]| found.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 8);
            let shown: u64 = found.iter().filter(|(_, of)| is_it(of)).map(|(delay, _)| *delay).sum();
            assert_eq!(shown, 1000 * u64::from(duration), "{format:?}: {colour:?}");
        }
    }
    // The remainder would be shorter than the minimum that browsers respect.
    let found = long(Format::Gif, 100, &[65_534, 1, 65_535]);
    assert!(found.iter().all(|(delay, _)| *delay >= 20), "{found:?}");
    assert_eq!(found.iter().map(|(delay, _)| delay).sum::<u64>(), 10 * (65_534 + 1 + 65_535));
}

#[test]
fn a_rate_that_an_apng_cannot_say_is_refused_with_its_limit() {
    let folder = tempfile::tempdir().expect("a folder");
    let quick = Sequence { fps: 70_000, ..sequence(folder.path()) };
    let error = quick.write(Format::Apng, &folder.path().join("out"), &mut |_| ControlFlow::Continue(()));
    let told = error.expect_err("refused").to_string();
    assert_eq!(told, "cannot encode: an APNG has at most 65535 frames a second, not 70000");
}

#[test]
fn a_zip_has_the_files_themselves_and_the_duration_of_each() {
    let (folder, file) = written(Format::Zip);
    let mut archive = zip::ZipArchive::new(file).expect("a ZIP");
    let mut read = |name: &str| {
        let mut bytes = Vec::new();
        archive.by_name(name).expect(name).read_to_end(&mut bytes).expect("read");
        bytes
    };
    for i in 0..4 {
        let original = std::fs::read(folder.path().join(format!("{i}.png"))).expect("read");
        assert_eq!(read(&format!("{:04}.png", i + 1)), original);
    }
    let about: serde_json::Value = serde_json::from_slice(&read("sequence.json")).expect("JSON");
    assert_eq!(
        (&about["fps"], &about["frames"][2]),
        (&12.into(), &serde_json::json!({"file": "0003.png", "duration": 3}))
    );
    assert_eq!(archive.len(), 5);
}

#[test]
fn a_picture_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let sequence = sequence(folder.path());
    std::fs::remove_file(folder.path().join("1.png")).expect("removed");
    for format in [Format::Zip, Format::Gif, Format::Apng, Format::Webp] {
        let error = sequence.write(format, &folder.path().join("out"), &mut |_| ControlFlow::Continue(()));
        let told = error.expect_err("refused").to_string();
        assert!(told.starts_with("cannot read picture 2: "), "{format:?}: {told}");
    }
}

/// Corrupts a byte in the middle of a PNG's pixel data.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).expect("read");
    let data = bytes.windows(4).position(|name| name == b"IDAT").expect("pixels") + 8;
    bytes[data] ^= 0xff;
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn all_damaged_pictures_are_named_before_anything_is_encoded() {
    let folder = tempfile::tempdir().expect("a folder");
    let sequence = sequence(folder.path());
    let mut go_on = |done| {
        assert_eq!(done, 0, "nothing is encoded yet");
        ControlFlow::Continue(())
    };
    for format in [Format::Zip, Format::Gif, Format::Apng, Format::Webp, Format::Mp4] {
        sequence.check(format, &mut go_on).expect("whole");
    }
    damage(path_of(&sequence, 1));
    damage(path_of(&sequence, 3));
    for format in [Format::Gif, Format::Apng, Format::Webp, Format::Mp4] {
        match sequence.check(format, &mut go_on) {
            Err(Error::Pictures(list)) => {
                assert_eq!(list.iter().map(|one| one.number).collect::<Vec<_>>(), [2, 4], "{format:?}");
            }
            other => panic!("{format:?}: {other:?}"),
        }
    }
    // A ZIP has the files as they are.
    sequence.check(Format::Zip, &mut go_on).expect("there");
    let stop = sequence.check(Format::Gif, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stop, Err(Error::Cancelled)), "{stop:?}");
}

/// Opening a named pipe blocks until a program writes to it: the export would never end.
#[cfg(unix)]
#[test]
fn a_pipe_with_a_pictures_name_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let sequence = sequence(folder.path());
    let pipe = path_of(&sequence, 2);
    std::fs::remove_file(pipe).expect("removed");
    assert!(Command::new("mkfifo").arg(pipe).status().expect("mkfifo").success());
    let mut formats = vec![Format::Zip, Format::Gif, Format::Apng, Format::Webp];
    formats.extend(export::has_ffmpeg().then_some(Format::Mp4));
    for format in formats {
        let mut go_on = |_| ControlFlow::Continue(());
        let checked = sequence.check(format, &mut go_on);
        let written = sequence.write(format, &folder.path().join("out"), &mut go_on);
        for refused in [checked, written] {
            let text = refused.expect_err("refused").to_string();
            assert_eq!(text, "cannot read picture 3: is not a regular file", "{format:?}");
        }
    }
}

/// If ffmpeg is not installed, the error that says so is checked instead.
#[test]
fn an_mp4_is_made_by_ffmpeg_or_refused_with_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out.mp4");
    let made = sequence(folder.path()).write(Format::Mp4, &out, &mut |_| ControlFlow::Continue(()));
    if export::has_ffmpeg() {
        made.expect("written");
        let bytes = std::fs::read(out).expect("there");
        assert_eq!(&bytes[4..8], b"ftyp");
    } else {
        assert!(matches!(made, Err(Error::NoFfmpeg)), "{made:?}");
    }
}

/// Decoded planes of the first picture at its middle: luma, blue difference, red difference.
fn planes(path: &Path) -> [u8; 3] {
    let decoded = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-i"])
        .arg(path)
        .args(["-frames:v", "1", "-f", "rawvideo", "-"])
        .output()
        .expect("ffmpeg runs");
    assert!(decoded.status.success(), "{}", String::from_utf8_lossy(&decoded.stderr));
    let (side, all) = (48, decoded.stdout);
    assert_eq!(all.len(), side * side * 3 / 2, "4:2:0");
    let (luma, quarter, middle) = (side * side, side * side / 4, side / 4 * side / 2 + side / 4);
    [all[side / 2 * side + side / 2], all[luma + middle], all[luma + quarter + middle]]
}

/// ITU-R BT.709-6, 3.2 to 3.4: converts back to colours from 0 to 255.
fn rgb_of_bt709([y, cb, cr]: [u8; 3]) -> [f64; 3] {
    let (y, cb, cr) = ((f64::from(y) - 16.0) / 219.0, (f64::from(cb) - 128.0) / 224.0, (f64::from(cr) - 128.0) / 224.0);
    let (red, blue) = (y + 1.5748 * cr, y + 1.8556 * cb);
    let green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152;
    [red, green, blue].map(|value| 255.0 * value)
}

/// Runs only if ffmpeg is installed.
#[test]
fn an_mp4_is_bt_709_and_says_so() {
    if !export::has_ffmpeg() {
        return;
    }
    for colour in [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [90, 200, 60], [200, 120, 40]] {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, out) = (folder.path().join("0.png"), folder.path().join("out.mp4"));
        RgbImage::from_pixel(48, 48, Rgb(colour)).save(&path).expect("saved");
        let stills = vec![Still { picture: path.into(), duration: 2 }];
        let sequence = Sequence { stills, fps: 12, width: 48, height: 48 };
        sequence.write(Format::Mp4, &out, &mut |_| ControlFlow::Continue(())).expect("written");
        let found = rgb_of_bt709(planes(&out));
        for (found, colour) in found.into_iter().zip(colour) {
            assert!((found - f64::from(colour)).abs() <= 2.0, "{found:?} for {colour:?}");
        }
        let about = Command::new("ffmpeg").args(["-hide_banner", "-i"]).arg(&out).output().expect("ffmpeg runs");
        let about = String::from_utf8_lossy(&about.stderr).into_owned();
        assert!(about.contains("yuv420p(tv, bt709"), "{about}");
    }
}

#[test]
fn pictures_in_memory_are_written_as_those_in_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = sequence(folder.path());
    let mut bytes = files.clone();
    for (place, still) in bytes.stills.iter_mut().enumerate() {
        still.picture = Picture::Png(std::fs::read(path_of(&files, place)).expect("read"));
    }
    for format in [Format::Zip, Format::Gif, Format::Apng, Format::Webp] {
        let [of_files, of_bytes] = [&files, &bytes].map(|sequence| {
            let out = folder.path().join("out");
            sequence.check(format, &mut |_| ControlFlow::Continue(())).expect("readable");
            sequence.write(format, &out, &mut |_| ControlFlow::Continue(())).expect("written");
            std::fs::read(out).expect("there")
        });
        assert_eq!(of_files, of_bytes, "{format:?}");
    }
    bytes.stills[1].picture = Picture::Png(b"no picture".to_vec());
    let error = bytes.check(Format::Gif, &mut |_| ControlFlow::Continue(())).expect_err("damaged");
    assert!(error.to_string().starts_with("cannot read picture 2: "), "{error}");
}

#[test]
fn an_mp4_ends_when_the_watcher_says_so_also_while_ffmpeg_ends() {
    if !export::has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut asked = 0;
    let mut watch = |done| {
        asked += usize::from(done == 4);
        if asked == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let ended = sequence(folder.path()).write(Format::Mp4, &folder.path().join("out.mp4"), &mut watch);
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
}

#[test]
fn it_ends_when_the_watcher_says_so() {
    for format in [Format::Zip, Format::Gif, Format::Apng, Format::Webp] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut told = 0;
        let mut watch = |done| {
            told = done;
            if done == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let ended = sequence(folder.path()).write(format, &folder.path().join("out"), &mut watch);
        assert!(matches!(ended, Err(Error::Cancelled)), "{format:?}: {ended:?}");
        assert_eq!(told, 2, "{format:?}");
    }
}

#[test]
fn what_cannot_be_read_is_named_by_its_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut broken = sequence(folder.path());
    std::fs::write(path_of(&broken, 1), "no picture").expect("written");
    let error = broken.write(Format::Gif, &folder.path().join("out"), &mut |_| ControlFlow::Continue(()));
    assert!(error.expect_err("refused").to_string().starts_with("cannot read picture 2"));
    broken.stills.clear();
    let error = broken.write(Format::Gif, &folder.path().join("out"), &mut |_| ControlFlow::Continue(()));
    assert!(matches!(error, Err(Error::Empty)));
}
