//! Compares the crate `kernels` with burn's own backend for the CPU, burn-flex, and with `gemm`, which computes burn-flex's
//! matrix products. Prints a table in Markdown: milliseconds, the best of several runs that alternate.
//!
//! `cargo bench --package sdxl --bench beside_burn`. This is a measurement, not a test. It does check that all compute the
//! same.

use burn::tensor::{
    Device, Tensor, TensorData, activation, module,
    ops::{AttentionModuleOptions, ConvOptions},
};
use gemm::Parallelism;
use huge_pages::HugePages;
use kernels::{Conv2d, ConvShape, Linear, Weights, attention, geglu, layer_norm};
use std::{hint::black_box, time::Instant};

/// The same allocator as in the binary.
#[global_allocator]
static ALLOCATOR: HugePages = HugePages::new();

/// Batch size: guidance has two entries.
const BATCH: usize = 2;
/// Minimum number of runs of each, and the time after which no further ones begin, seconds.
const RUNS: usize = 5;
const SECONDS: f64 = 3.0;

fn main() {
    println!("{} threads\n", rayon::current_num_threads());
    println!("| | kernels | burn-flex | gemm | burn-flex / kernels |\n|---|---|---|---|---|");
    for (c, side) in [(320, 64), (640, 32), (1280, 16), (128, 16), (128, 256)] {
        convolution(c, side);
    }
    for (rows, d_in, d_out) in
        [(4096, 640, 5120), (4096, 640, 640), (1024, 1280, 10240), (1024, 5120, 1280), (512, 256, 256)]
    {
        linear(rows, d_in, d_out);
    }
    for (n, m, heads) in [(4096, 4096, 10), (1024, 1024, 20), (4096, 77, 10), (256, 256, 4)] {
        attend(n, m, heads);
    }
    normalise(BATCH * 1024, 640);
    gate(BATCH * 1024, 320);
}

fn convolution(c: usize, side: usize) {
    let (x, weights, bias) = (numbers(BATCH * c * side * side), numbers(c * c * 9), numbers(c));
    let shape = ConvShape { c_in: c, c_out: c, kernel: 3, stride: 1, padding: (1, 1) };
    let ours = Conv2d::new(Weights::F32(&weights), Some(&bias), shape);
    let options = ConvOptions::new_with_padding([1, 1], [(1, 1), (1, 1)], [1, 1], 1);
    let (input, weight) = (tensor(&x, [BATCH, c, side, side]), tensor(&weights, [c, c, 3, 3]));
    let bias = tensor(&bias, [c]);
    let burn = || module::conv2d(input.clone(), weight.clone(), Some(bias.clone()), options.clone());
    let name = format!("convolution 3 x 3, {c} channels at {side} x {side}");
    row(&name, || ours.forward(&x, [side, side]), burn, None::<fn() -> Vec<f32>>);
}

fn linear(rows: usize, d_in: usize, d_out: usize) {
    let (x, weights, bias) = (numbers(rows * d_in), numbers(d_in * d_out), vec![0.0; d_out]);
    let ours = Linear::new(Weights::F32(&weights), Some(&bias), d_in, d_out);
    let (input, weight) = (tensor(&x, [rows, d_in]), tensor(&weights, [d_out, d_in]).transpose());
    let burn = || module::linear(input.clone(), weight.clone(), None);
    let product = || product(&x, &weights, [rows, d_in, d_out]);
    row(&format!("linear layer, {rows} x {d_in} to {d_out}"), || ours.forward(&x), burn, Some(product));
}

/// `x Wᵀ` by `gemm`, row-major. The bias is 0 in this comparison.
fn product(x: &[f32], weights: &[f32], [rows, d_in, d_out]: [usize; 3]) -> Vec<f32> {
    assert!(x.len() == rows * d_in && weights.len() == d_in * d_out);
    let mut out = vec![0.0_f32; rows * d_out];
    let (step_in, step_out) = (d_in as isize, d_out as isize);
    // SAFETY: the three matrices have these sizes and strides, and do not overlap.
    unsafe {
        gemm::gemm(
            rows,
            d_out,
            d_in,
            out.as_mut_ptr(),
            1,
            step_out,
            false,
            x.as_ptr(),
            1,
            step_in,
            weights.as_ptr(),
            step_in,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::Rayon(0),
        );
    }
    out
}

fn attend(n: usize, m: usize, heads: usize) {
    let (q, k) = (numbers(BATCH * n * heads * 64), numbers(BATCH * m * heads * 64));
    let split = |x: &[f32], rows: usize| tensor(x, [BATCH, rows, heads, 64]).swap_dims(1, 2);
    let (queries, keys) = (split(&q, n), split(&k, m));
    let burn = || {
        let options = AttentionModuleOptions::default();
        let out = module::attention(queries.clone(), keys.clone(), keys.clone(), None, None, options);
        out.swap_dims(1, 2).reshape([BATCH, n, heads * 64])
    };
    let name = format!("attention, {heads} heads, {n} to {m}");
    row(&name, || attention(&q, &k, &k, BATCH, heads, 64), burn, None::<fn() -> Vec<f32>>);
}

fn normalise(rows: usize, width: usize) {
    let (x, ones) = (numbers(rows * width), vec![1.0; width]);
    let (input, weight) = (tensor(&x, [rows, width]), tensor(&ones, [width]));
    let burn = || module::layer_norm(input.clone(), weight.clone(), Some(weight.clone()), 1e-5);
    let name = format!("layer norm, {rows} rows of {width}");
    row(&name, || layer_norm(&x, &ones, &ones, 1e-5), burn, None::<fn() -> Vec<f32>>);
}

fn gate(rows: usize, inner: usize) {
    let x = numbers(rows * 2 * inner);
    let input = tensor(&x, [rows, 2 * inner]);
    let burn = || input.clone().narrow(1, 0, inner) * activation::gelu(input.clone().narrow(1, inner, inner));
    row(&format!("GEGLU, {rows} rows to {inner}"), || geglu(&x, inner), burn, None::<fn() -> Vec<f32>>);
}

/// Checks that all results are equal, measures, and prints a row.
fn row<const D: usize>(
    name: &str,
    ours: impl Fn() -> Vec<f32>,
    burn: impl Fn() -> Tensor<D>,
    product: Option<impl Fn() -> Vec<f32>>,
) {
    let expected = ours();
    let theirs = burn().into_data().try_into_vec::<f32>().expect("f32");
    check(name, &expected, &theirs);
    if let Some(product) = &product {
        check(name, &expected, &product());
    }
    let (mut kernels, mut flex, mut gemm) = (f64::MAX, f64::MAX, f64::MAX);
    let (begun, mut runs) = (Instant::now(), 0);
    while runs < RUNS || begun.elapsed().as_secs_f64() < SECONDS {
        runs += 1;
        kernels = kernels.min(ms(|| drop(black_box(ours()))));
        flex = flex.min(ms(|| drop(black_box(burn()))));
        if let Some(product) = &product {
            gemm = gemm.min(ms(|| drop(black_box(product()))));
        }
    }
    let product = product.map_or_else(String::new, |_| format!("{gemm:.2} ms"));
    println!("| {name} | {kernels:.2} ms | {flex:.2} ms | {product} | {:.2} |", flex / kernels);
}

fn ms(run: impl Fn()) -> f64 {
    let started = Instant::now();
    run();
    1000.0 * started.elapsed().as_secs_f64()
}

/// Panics if the results differ by more than rounding.
fn check(name: &str, one: &[f32], other: &[f32]) {
    assert_eq!(one.len(), other.len(), "{name}");
    let largest = one.iter().fold(0.0_f32, |most, value| most.max(value.abs())).max(1e-6);
    let difference = one.iter().zip(other).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(difference <= 1e-3 * largest, "{name}: results differ by {difference} of {largest}");
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect()
}
