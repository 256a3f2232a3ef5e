//! What is written, read back by other decoders than the writers' own code where there are some.

use export::{Error, Format, Sequence, Still};
use image::{
    AnimationDecoder, Rgb, RgbImage, codecs::gif::GifDecoder, codecs::png::PngDecoder, codecs::webp::WebPDecoder,
};
use std::{
    fs::File,
    io::{BufReader, Read},
    ops::ControlFlow,
    path::Path,
};

const COLOURS: [[u8; 3]; 4] = [[220, 30, 30], [30, 200, 40], [20, 60, 210], [240, 230, 20]];

/// Four pictures of one colour each at 12 frames a second, the third for three frames; the last of another size.
fn sequence(folder: &Path) -> Sequence {
    let stills = COLOURS.iter().enumerate().map(|(i, colour)| {
        let (path, side) = (folder.join(format!("{i}.png")), if i == 3 { 32 } else { 48 });
        RgbImage::from_pixel(side, side, Rgb(*colour)).save(&path).expect("saved");
        Still { path, duration: if i == 2 { 3 } else { 1 } }
    });
    Sequence { stills: stills.collect(), fps: 12, width: 48, height: 48 }
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

/// Delays in milliseconds, and the colour in the middle, of each picture.
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

#[test]
fn a_zip_has_the_files_themselves_and_says_how_long_each_stands() {
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

/// Only where the machine has ffmpeg: elsewhere the error that says so is what is checked.
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
    std::fs::write(&broken.stills[1].path, "no picture").expect("written");
    let error = broken.write(Format::Gif, &folder.path().join("out"), &mut |_| ControlFlow::Continue(()));
    assert!(error.expect_err("refused").to_string().starts_with("cannot read picture 2"));
    broken.stills.clear();
    let error = broken.write(Format::Gif, &folder.path().join("out"), &mut |_| ControlFlow::Continue(()));
    assert!(matches!(error, Err(Error::Empty)));
}
