//! Random numbers against PyTorch.

use crate::reference::{deviation, read};
use diffusion::{Generator, StepNoise};
use serde::Deserialize;

const TOLERANCE: f32 = 2e-6;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
    sequences: Vec<Sequence>,
}

#[derive(Deserialize)]
struct Case {
    seed: u64,
    count: usize,
    /// Indices of `values`; `None` means all.
    places: Option<Vec<usize>>,
    values: Vec<f32>,
    sum: f64,
}

#[derive(Deserialize)]
struct Sequence {
    seed: u64,
    calls: Vec<Call>,
}

#[derive(Deserialize)]
struct Call {
    kind: String,
    values: Vec<f32>,
}

#[test]
fn randn_is_torchs_for_every_seed_and_shape() {
    let File { cases, .. } = read("noise.json");
    assert_eq!(cases.len(), 100, "20 seeds and 5 shapes");
    let mut worst: f32 = 0.0;
    for Case { seed, count, places, values, sum } in cases {
        let all = Generator::seed(seed).randn(count);
        let ours: Vec<f32> = places.unwrap_or_else(|| (0..count).collect()).iter().map(|&i| all[i]).collect();
        let off = deviation(&ours, &values);
        assert!(off <= TOLERANCE, "seed {seed}, {count} numbers: off by {off}");
        let total: f64 = all.iter().map(|&v| f64::from(v)).sum();
        // Each number may be off by the tolerance. The sum is checked more strictly, since real errors have both signs.
        assert!(
            (total - sum).abs() <= 1e-7 * count as f64 + 2e-6,
            "seed {seed}, {count} numbers: sum {total}, not {sum}"
        );
        worst = worst.max(off);
    }
    println!("largest deviation from torch.randn: {worst:e}");
}

#[test]
fn calls_draw_on_where_the_last_one_ended() {
    let File { sequences, .. } = read("noise.json");
    for Sequence { seed, calls } in sequences {
        let mut generator = Generator::seed(seed);
        for (i, Call { kind, values }) in calls.iter().enumerate() {
            let (ours, tolerance) = match kind.as_str() {
                "rand" => (generator.rand(values.len()), 0.0),
                _ => (generator.randn(values.len()), TOLERANCE),
            };
            let off = deviation(&ours, values);
            assert!(off <= tolerance, "seed {seed}, call {i} ({kind}, {}): off by {off}", values.len());
        }
    }
}

#[test]
fn steps_draw_on_or_start_again() {
    let mut used = Generator::seed(3);
    let first = used.randn(64);
    assert_eq!(StepNoise::Reseeded.generator(used.clone(), 3).randn(64), first);
    let mut whole = Generator::seed(3);
    whole.randn(64);
    assert_eq!(StepNoise::Continued.generator(used, 3).randn(64), whole.randn(64));
}
