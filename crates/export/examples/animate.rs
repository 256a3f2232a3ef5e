//! Writes pictures as one animated WebP:
//! `cargo run --release --package export --example animate -- OUT FPS WIDTH PICTURE...`
//!
//! They are scaled to the width. The last one is shown for two seconds.

use export::{Format, Sequence, Still};
use std::{error::Error, ops::ControlFlow, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("OUT FPS WIDTH PICTURE...");
    let (out, fps, width): (String, u32, u32) = (next()?, next()?.parse()?, next()?.parse()?);
    let mut stills: Vec<Still> = arguments.map(|path| Still { path: path.into(), duration: 1 }).collect();
    stills.last_mut().ok_or("no picture")?.duration = 2 * fps;
    let (whole_width, whole_height) = image::image_dimensions(&stills[0].path)?;
    let sequence = Sequence { stills, fps, width, height: whole_height * width / whole_width };
    sequence.write(Format::Webp, Path::new(&out), &mut |_| ControlFlow::Continue(()))?;
    println!("{out}: {} kB", std::fs::metadata(&out)?.len() / 1000);
    Ok(())
}
