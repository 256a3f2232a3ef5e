//! Speed of each kernel with the shapes of SDXL and of the starter model: milliseconds, and billions of operations per
//! second.
//!
//! `cargo bench --package kernels`; `-- conv` runs only those whose names start with it; `-- --json` prints one JSON
//! line per kernel, which `beside_pytorch.py` reads.

use half::f16;
use huge_pages::HugePages;
use kernels::{Conv2d, ConvShape, Linear, Weights, attention, geglu, group_norm, layer_norm};
use std::{env, time::Instant};

/// The same allocator as in the binary.
#[global_allocator]
static ALLOCATOR: HugePages = HugePages::new();

/// Batch size: guidance has two entries.
const BATCH: usize = 2;

fn main() {
    let only = env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    let report = Report { json: env::args().any(|argument| argument == "--json"), only };
    if !report.json {
        println!("{} threads; the best of several runs", rayon::current_num_threads());
    }
    for (c, side) in [(320, 64), (640, 32), (1280, 16), (320, 32), (128, 16), (128, 256)] {
        let shape = ConvShape { c_in: c, c_out: c, kernel: 3, stride: 1, padding: (1, 1) };
        let weights = numbers(c * c * 9);
        let conv = Conv2d::new(Weights::F32(&weights), Some(&numbers(c)), shape);
        let x = numbers(BATCH * c * side * side);
        let operations = 18 * BATCH * c * c * side * side;
        report.measure("conv", &[c, side], operations, || conv.forward(&x, [side, side]));
        let weights: Vec<f16> = weights.into_iter().map(f16::from_f32).collect();
        let conv = Conv2d::new(Weights::F16(&weights), Some(&numbers(c)), shape);
        report.measure("conv_f16", &[c, side], operations, || conv.forward(&x, [side, side]));
    }
    for (rows, d_in, d_out) in [
        (4096, 640, 5120),
        (4096, 640, 640),
        (1024, 1280, 10240),
        (1024, 5120, 1280),
        (154, 2048, 640),
        (512, 256, 256),
    ] {
        let weights = numbers(d_in * d_out);
        let linear = Linear::new(Weights::F32(&weights), Some(&numbers(d_out)), d_in, d_out);
        let x = numbers(rows * d_in);
        let operations = 2 * rows * d_in * d_out;
        report.measure("linear", &[rows, d_in, d_out], operations, || linear.forward(&x));
        let weights: Vec<f16> = weights.into_iter().map(f16::from_f32).collect();
        let linear = Linear::new(Weights::F16(&weights), Some(&numbers(d_out)), d_in, d_out);
        report.measure("linear_f16", &[rows, d_in, d_out], operations, || linear.forward(&x));
    }
    for (n, m, heads) in
        [(4096, 4096, 10), (1024, 1024, 10), (1024, 1024, 20), (4096, 77, 10), (1024, 77, 20), (256, 256, 4)]
    {
        let (q, k) = (numbers(BATCH * n * heads * 64), numbers(BATCH * m * heads * 64));
        let operations = 4 * BATCH * heads * n * m * 64;
        report.measure("attention", &[n, m, heads], operations, || attention(&q, &k, &k, BATCH, heads, 64));
    }
    // Everything done with one number counts as one operation.
    let (c, pixels) = (640, 1024);
    let (x, ones) = (numbers(BATCH * c * pixels), numbers(c));
    report.measure("group_norm_silu", &[c, pixels], x.len(), || {
        let mut x = x.clone();
        group_norm(&mut x, pixels, 32, &ones, &ones, 1e-5, true);
        x
    });
    report.measure("layer_norm", &[BATCH * pixels, c], x.len(), || layer_norm(&x, &ones, &ones, 1e-5));
    report.measure("geglu", &[BATCH * pixels, c / 2], x.len(), || geglu(&x, c / 2));
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect()
}

/// How results are printed.
struct Report {
    json: bool,
    /// Only kernels whose names start with this are measured.
    only: String,
}

impl Report {
    /// Returns the fastest run within a fixed time, at least four runs: the first ones allocate new memory.
    fn measure(&self, kernel: &str, sizes: &[usize], operations: usize, run: impl Fn() -> Vec<f32>) {
        if !kernel.starts_with(&self.only) {
            return;
        }
        let mut best = f64::MAX;
        let begun = Instant::now();
        let mut runs = 0;
        while runs < 4 || begun.elapsed().as_secs_f64() < 0.7 {
            runs += 1;
            let started = Instant::now();
            std::hint::black_box(run());
            best = best.min(started.elapsed().as_secs_f64());
        }
        let ms = 1000.0 * best;
        if self.json {
            println!(r#"{{"kernel": "{kernel}", "sizes": {sizes:?}, "operations": {operations}, "ms": {ms:.4}}}"#);
        } else {
            println!("{kernel:16} {:20} {ms:9.2} ms {:8.1}", format!("{sizes:?}"), operations as f64 / best / 1e9);
        }
    }
}
