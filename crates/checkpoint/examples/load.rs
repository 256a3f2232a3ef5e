//! Prints a description of a checkpoint, then reads every parameter once: `cargo run --release --example load -- PATH`.

use checkpoint::{Checkpoint, OpenOptions, inspect};
use std::{path::PathBuf, time::Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = PathBuf::from(std::env::args_os().nth(1).ok_or("give the path of a checkpoint")?);
    let start = Instant::now();
    print!("{}", inspect(&path, &OpenOptions::default())?);
    println!("inspected in {:?}", start.elapsed());
    let checkpoint = Checkpoint::open(&path)?;
    for part in checkpoint.parts() {
        let start = Instant::now();
        let plan = checkpoint.plan(part)?;
        let mut sum = 0.0;
        for entry in &plan.entries {
            sum += checkpoint.read::<f32>(entry)?.iter().map(|&number| f64::from(number.abs())).sum::<f64>();
        }
        let (count, numbers, mib) = (plan.entries.len(), plan.parameters(), plan.source_bytes() >> 20);
        println!(
            "{part}: {count} parameters, {numbers} numbers, {mib} MiB in {:?}; mean |w| {}",
            start.elapsed(),
            sum / numbers as f64
        );
    }
    Ok(())
}
