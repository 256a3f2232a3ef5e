//! Draws the suite of prompts with the embedded model and judges every picture: the background's colour by the border's
//! median, the object by two small classifiers that were trained only on the artwork.
//!
//! `cargo xtask starter evaluate`, or the example itself: `evaluate [REPORT.json [FOLDER FOR THE PICTURES]]`

mod judge;
mod report;
mod suite;

#[path = "../shared/mod.rs"]
mod shared;

use judge::{Judges, background, object_colour};
use report::{Report, Row};
use shared::{Result, draw, params, pipeline};
use std::{fs, path::Path, time::Instant};
use suite::Suite;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (out, folder) = (arguments.next(), arguments.next());
    let home = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("evaluation");
    let suite = Suite::read(&home.join("suite.json"))?;
    let judges = Judges::read(&home.join("judges.safetensors"))?;
    if let Some(folder) = &folder {
        fs::create_dir_all(folder)?;
    }
    let pipeline = pipeline()?;
    let (started, mut rows) = (Instant::now(), Vec::new());
    for (number, asked) in suite.prompts.iter().enumerate() {
        let output = draw(&pipeline, &params(&asked.prompt, asked.seed)?, &mut diffusion::Unobserved)?;
        let picture = output.picture.to_rgb8();
        if let Some(folder) = &folder {
            picture.save(Path::new(folder).join(format!("{number:03}.png")))?;
        }
        let said = judges.judge(&picture);
        rows.push(Row {
            asked: asked.clone(),
            background: background(&picture, &suite.backgrounds).to_owned(),
            object: suite.classes[said.colour].clone(),
            shape: suite.classes[said.shape].clone(),
            colour: object_colour(&picture, &suite.object_colours).map(str::to_owned),
        });
        eprint!("\r{}/{} {:40}", number + 1, suite.prompts.len(), asked.prompt);
    }
    eprintln!();
    let report = Report::new(&rows, &suite, started.elapsed().as_secs_f64(), pipeline.compute().info.to_string());
    println!("{report}");
    if let Some(out) = out {
        fs::write(out, serde_json::to_string_pretty(&report)? + "\n")?;
    }
    Ok(())
}
