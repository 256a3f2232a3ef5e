//! Writes pictures as one animation, a GIF or an animated WebP as the name ends:
//! `cargo run --release --package export --example animate -- OUT FPS WIDTH PICTURE...`
//!
//! They are scaled to the width. The last one is shown for two seconds.

use export::{Format, Sequence, Still};
use std::{
    error::Error,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("OUT FPS WIDTH PICTURE...");
    let (out, fps, width): (String, u32, u32) = (next()?, next()?.parse()?, next()?.parse()?);
    let paths: Vec<String> = arguments.collect();
    let first = paths.first().ok_or("no picture")?;
    let mut stills: Vec<Still> =
        paths.iter().map(|path| Still { picture: PathBuf::from(path).into(), duration: 1 }).collect();
    stills.last_mut().ok_or("no picture")?.duration = 2 * fps;
    let (whole_width, whole_height) = image::image_dimensions(first)?;
    let sequence = Sequence { stills, fps, width, height: whole_height * width / whole_width };
    let format = if out.ends_with(".gif") { Format::Gif } else { Format::Webp };
    sequence.write(format, Path::new(&out), &mut |_| ControlFlow::Continue(()))?;
    println!("{out}: {} kB", std::fs::metadata(&out)?.len() / 1000);
    Ok(())
}
