//! Draws the pictures of the model card: results for 32 prompts, and previews over the steps.
//!
//! `cargo xtask starter sheets`, or the example itself: `sheets FOLDER` writes `starter.png` and `previews.png`.

mod font;

#[path = "../shared/mod.rs"]
mod shared;

use diffusion::{Step, Stop};
use image::{Rgb, RgbImage, imageops};
use sdxl::{Pipeline, PreviewDecoder};
use shared::{Result, draw, params, pipeline};
use std::{ops::ControlFlow, path::Path};

/// The last eight pairs were not in the training data; they are marked.
const PROMPTS: [&str; 32] = [
    "an apple on a blue background",
    "a banana on a purple background",
    "a strawberry on a white background",
    "grapes on a pink background",
    "a hamburger on a red background",
    "a mushroom on a green background",
    "a star on a black background",
    "a tulip on a yellow background",
    "a cactus on a yellow background",
    "a tree on a pink background",
    "a dog on a green background",
    "a fish on a white background",
    "a crown on a black background",
    "a red car on a yellow background",
    "a butterfly on a white background",
    "a robot on a pink background",
    "a green car on a yellow background",
    "a blue heart on a pink background",
    "a purple star on a white background",
    "a yellow balloon on a blue background",
    "a red fish on a green background",
    "a pink butterfly on a green background",
    "a green heart on a black background",
    "a purple car on a white background",
    "a cat on a blue background *",
    "a house on a blue background *",
    "a rocket on a red background *",
    "a banana on a black background *",
    "a sunflower on a blue background *",
    "a penguin on a black background *",
    "a strawberry on a yellow background *",
    "a frog on a purple background *",
];
const COLUMNS: u32 = 8;
const GAP_PX: u32 = 6;
/// Space for the names of the two methods.
const MARGIN_PX: u32 = 102;
const INK: Rgb<u8> = Rgb([40, 40, 48]);
const MARKED: Rgb<u8> = Rgb([190, 40, 40]);

/// Prompts and seeds of the preview sheet.
const WATCHED: [(&str, u64); 3] = [
    ("an apple on a blue background", 100),
    ("a green car on a yellow background", 101),
    ("a house on a yellow background", 102),
];
const STEPS: [usize; 8] = [1, 2, 4, 7, 10, 14, 17, 20];

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).ok_or("usage: sheets FOLDER")?;
    let pipeline = pipeline()?;
    contact_sheet(&pipeline)?.save(Path::new(&folder).join("starter.png"))?;
    preview_sheet(&pipeline)?.save(Path::new(&folder).join("previews.png"))?;
    Ok(())
}

fn contact_sheet(pipeline: &Pipeline) -> Result<RgbImage> {
    let card = &starter_model::card().recommended;
    let (wide, tall) = (card.width + GAP_PX, card.height + 2 * font::LINE + 2 * GAP_PX);
    let rows = (PROMPTS.len() as u32).div_ceil(COLUMNS);
    let mut sheet = RgbImage::from_pixel(COLUMNS * wide + GAP_PX, rows * tall + GAP_PX, Rgb([255; 3]));
    for (number, marked) in (0..).zip(PROMPTS) {
        let (prompt, held_out) = marked.strip_suffix(" *").map_or((marked, false), |prompt| (prompt, true));
        let picture = draw(pipeline, &params(prompt, 1 + u64::from(number))?, &mut diffusion::Unobserved)?;
        let (left, top) = (GAP_PX + number % COLUMNS * wide, GAP_PX + number / COLUMNS * tall);
        imageops::replace(&mut sheet, &picture.picture.to_rgb8(), left.into(), top.into());
        let words = prompt.trim_end_matches(" background").split_once(" on ").unwrap_or((prompt, ""));
        let (object, ground) = (without_article(words.0), without_article(words.1));
        let ground = format!("on {ground}{}", if held_out { " *" } else { "" });
        font::write(&mut sheet, object, left, top + card.height + GAP_PX, INK);
        let ink = if held_out { MARKED } else { INK };
        font::write(&mut sheet, &ground, left, top + card.height + GAP_PX + font::LINE, ink);
        eprint!("\r{}/{}", number + 1, PROMPTS.len());
    }
    eprintln!();
    Ok(sheet)
}

/// Removes the article, so that the text fits under its picture.
fn without_article(words: &str) -> &str {
    words.strip_prefix("an ").or_else(|| words.strip_prefix("a ")).unwrap_or(words)
}

fn preview_sheet(pipeline: &Pipeline) -> Result<RgbImage> {
    let card = &starter_model::card().recommended;
    let (wide, tall) = (card.width + GAP_PX, card.height + GAP_PX);
    let (columns, rows) = (STEPS.len() as u32 + 1, 2 * WATCHED.len() as u32);
    let top = font::LINE + GAP_PX;
    let mut sheet = RgbImage::from_pixel(MARGIN_PX + columns * wide, top + rows * tall, Rgb([255; 3]));
    for (column, step) in (0..).zip(STEPS) {
        font::write(&mut sheet, &format!("step {step}"), MARGIN_PX + column * wide, GAP_PX, INK);
    }
    font::write(&mut sheet, "the picture", MARGIN_PX + (columns - 1) * wide, GAP_PX, INK);
    for (number, (prompt, seed)) in (0..).zip(WATCHED) {
        let (shown, picture) = watch(pipeline, prompt, seed)?;
        for ((row, previews), method) in (2 * number..).zip(&shown).zip(["latent2rgb", "taesd"]) {
            let y = top + row * tall;
            font::write(&mut sheet, method, GAP_PX, y + (card.height - font::LINE) / 2, INK);
            for (column, preview) in (0..).zip(previews.iter().chain([&picture])) {
                imageops::replace(&mut sheet, preview, (MARGIN_PX + column * wide).into(), y.into());
            }
        }
    }
    Ok(sheet)
}

/// Returns previews at [`STEPS`] with Latent2RGB, scaled smoothly as on the page, and with TAESD; and the picture.
fn watch(pipeline: &Pipeline, prompt: &str, seed: u64) -> Result<([Vec<RgbImage>; 2], RgbImage)> {
    let card = &starter_model::card().recommended;
    let (mut shown, mut failed) = ([Vec::new(), Vec::new()], None);
    let mut look = |step: &Step<'_>| {
        if STEPS.contains(&(step.index + 1)) {
            for (row, method) in shown.iter_mut().zip([PreviewDecoder::Latent2Rgb, PreviewDecoder::Taesd]) {
                match pipeline.preview(method, step.denoised) {
                    Ok(preview) => row.push(preview.to_rgb8()),
                    Err(error) => failed = Some(error),
                }
            }
        }
        ControlFlow::<Stop>::Continue(())
    };
    let output = draw(pipeline, &params(prompt, seed)?, &mut look)?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    for preview in &mut shown[0] {
        *preview = imageops::resize(preview, card.width, card.height, imageops::FilterType::CatmullRom);
    }
    let picture = output.picture.to_rgb8();
    let [latent2rgb, taesd] = [0, 1].map(|row| shown[row].last().map_or(f64::NAN, detail) / detail(&picture) * 100.0);
    eprintln!("{prompt}: the last preview has {latent2rgb:.0} % (latent2rgb), {taesd:.0} % (taesd) of the detail");
    Ok((shown, picture))
}

/// Sharpness of a picture: the mean square difference of horizontal neighbours.
fn detail(picture: &RgbImage) -> f64 {
    let pairs = picture.rows().flat_map(|row| row.clone().zip(row.skip(1)).collect::<Vec<_>>());
    let squares = pairs.flat_map(|(a, b)| [0, 1, 2].map(|c| (f64::from(a[c]) - f64::from(b[c])).powi(2)));
    squares.sum::<f64>() / f64::from(picture.width() * picture.height())
}
