//! What each kernel does at SDXL's shapes and at the starter model's: billions of operations a second.
//!
//! `cargo bench --package kernels`

use kernels::{Conv2d, ConvShape, Linear, attention, geglu, group_norm, layer_norm};
use std::time::Instant;

fn main() {
    println!("{} threads; the best of several runs", rayon::current_num_threads());
    for (c, side) in [(320, 64), (640, 32), (1280, 16), (320, 32), (128, 16), (128, 256)] {
        let shape = ConvShape { c_in: c, c_out: c, kernel: 3, stride: 1, padding: (1, 1) };
        let conv = Conv2d::new(&numbers(c * c * 9), Some(&numbers(c)), shape);
        let x = numbers(2 * c * side * side);
        measure(&format!("conv 3x3, 2 x {c} at {side} x {side}"), 36 * c * c * side * side, || {
            conv.forward(&x, [side, side])
        });
    }
    for (rows, d_in, d_out) in [
        (4096, 640, 5120),
        (4096, 640, 640),
        (1024, 1280, 10240),
        (1024, 5120, 1280),
        (154, 2048, 640),
        (512, 256, 256),
    ] {
        let linear = Linear::new(&numbers(d_in * d_out), Some(&numbers(d_out)), d_in, d_out);
        let x = numbers(rows * d_in);
        measure(&format!("linear, {rows} x {d_in} to {d_out}"), 2 * rows * d_in * d_out, || linear.forward(&x));
    }
    for (n, m, heads) in
        [(4096, 4096, 10), (1024, 1024, 10), (1024, 1024, 20), (4096, 77, 10), (1024, 77, 20), (256, 256, 4)]
    {
        let (q, k) = (numbers(2 * n * heads * 64), numbers(2 * m * heads * 64));
        let operations = 2 * heads * n * m * 64 * 4;
        measure(&format!("attention, 2 x {heads} heads, {n} to {m}"), operations, || {
            attention(&q, &k, &k, 2, heads, 64)
        });
    }
    println!("millions of numbers a second:");
    let (x, ones) = (numbers(2 * 640 * 1024), numbers(640));
    measure("group norm and SiLU", x.len() * 1000, || {
        let mut x = x.clone();
        group_norm(&mut x, 1024, 32, &ones, &ones, 1e-5, true);
        x
    });
    measure("layer norm", x.len() * 1000, || layer_norm(&x, &ones, &ones, 1e-5));
    measure("GEGLU", x.len() * 1000, || geglu(&x, 640));
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect()
}

fn measure(what: &str, operations: usize, run: impl Fn() -> Vec<f32>) {
    let mut best = f64::MAX;
    let begun = Instant::now();
    while begun.elapsed().as_secs_f64() < 0.7 {
        let started = Instant::now();
        std::hint::black_box(run());
        best = best.min(started.elapsed().as_secs_f64());
    }
    println!("{what:44} {:8.2} ms {:8.1}", 1000.0 * best, operations as f64 / best / 1e9);
}
