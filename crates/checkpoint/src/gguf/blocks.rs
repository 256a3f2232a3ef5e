//! The numbers of ggml's block types: `ggml-quants.c`, and `dequantize` of the Python package `gguf`, with whose numbers the
//! tests compare. All arithmetic is in f32.

use crate::Dtype;
use half::f16;

/// Appends the values of whole blocks. Other types append nothing.
pub(crate) fn widen(dtype: Dtype, blocks: &[u8], out: &mut Vec<f32>) {
    match dtype {
        Dtype::Q4_0 => each(blocks, out, |block: &[u8; 18], out| {
            let ([d], nibbles) = numbers::<1>(block);
            out.extend(halves(nibbles).map(|q| d * (f32::from(q) - 8.0)));
        }),
        Dtype::Q4_1 => each(blocks, out, |block: &[u8; 20], out| {
            let ([d, m], nibbles) = numbers::<2>(block);
            out.extend(halves(nibbles).map(|q| d * f32::from(q) + m));
        }),
        Dtype::Q5_0 => each(blocks, out, |block: &[u8; 22], out| {
            let ([d], rest) = numbers::<1>(block);
            out.extend(fives(rest).map(|q| d * (f32::from(q) - 16.0)));
        }),
        Dtype::Q5_1 => each(blocks, out, |block: &[u8; 24], out| {
            let ([d, m], rest) = numbers::<2>(block);
            out.extend(fives(rest).map(|q| d * f32::from(q) + m));
        }),
        Dtype::Q8_0 => each(blocks, out, |block: &[u8; 34], out| {
            let ([d], bytes) = numbers::<1>(block);
            out.extend(bytes.iter().map(|&byte| d * f32::from(byte.cast_signed())));
        }),
        Dtype::Q4K => each(blocks, out, q4_k),
        Dtype::Q5K => each(blocks, out, q5_k),
        Dtype::Q6K => each(blocks, out, q6_k),
        _ => {}
    }
}

fn each<const N: usize>(blocks: &[u8], out: &mut Vec<f32>, widen: impl Fn(&[u8; N], &mut Vec<f32>)) {
    blocks.as_chunks::<N>().0.iter().for_each(|block| widen(block, out));
}

/// The f16 numbers at the start of a block, and the rest of it.
fn numbers<const N: usize>(block: &[u8]) -> ([f32; N], &[u8]) {
    let (start, rest) = block.split_at(2 * N);
    let number = |at: usize| f16::from_le_bytes([start[2 * at], start[2 * at + 1]]).to_f32();
    (std::array::from_fn(number), rest)
}

/// The lower halves of all bytes, then the upper halves.
fn halves(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().map(|byte| byte & 15).chain(bytes.iter().map(|byte| byte >> 4))
}

/// Numbers of five bits: the upper bits of all in four bytes, then their lower bits as in [`halves`].
fn fives(rest: &[u8]) -> impl Iterator<Item = u8> {
    let (high, low) = rest.split_at(4);
    halves(low).enumerate().map(|(at, low)| low | ((high[at / 8] >> (at % 8)) & 1) << 4)
}

/// The scale and the minimum of each of the eight groups of 32 numbers in a block of 256, of six bits each in 12 bytes.
fn scales(packed: &[u8]) -> [(f32, f32); 8] {
    std::array::from_fn(|group| {
        let (scale, minimum) = match group {
            0..4 => (packed[group] & 63, packed[group + 4] & 63),
            _ => {
                let both = packed[group + 4];
                ((both & 15) | (packed[group - 4] >> 6) << 4, (both >> 4) | (packed[group] >> 6) << 4)
            }
        };
        (f32::from(scale), f32::from(minimum))
    })
}

/// Two groups of 32 numbers share 32 bytes of lower bits.
fn q4_k(block: &[u8; 144], out: &mut Vec<f32>) {
    let ([d, least], rest) = numbers::<2>(block);
    let (packed, low) = rest.split_at(12);
    let scales = scales(packed);
    for (pair, low) in low.chunks_exact(32).enumerate() {
        for (at, q) in halves(low).enumerate() {
            let (scale, minimum) = scales[2 * pair + at / 32];
            out.push(d * scale * f32::from(q) - least * minimum);
        }
    }
}

/// As [`q4_k`], with a fifth bit: bit `n` of byte `i` belongs to number `i` of group `n`.
fn q5_k(block: &[u8; 176], out: &mut Vec<f32>) {
    let ([d, least], rest) = numbers::<2>(block);
    let (packed, rest) = rest.split_at(12);
    let (high, low) = rest.split_at(32);
    let scales = scales(packed);
    for (pair, low) in low.chunks_exact(32).enumerate() {
        for (at, q) in halves(low).enumerate() {
            let group = 2 * pair + at / 32;
            let (scale, minimum) = scales[group];
            let q = q | ((high[at % 32] >> group) & 1) << 4;
            out.push(d * scale * f32::from(q) - least * minimum);
        }
    }
}

/// 16 groups of 16 numbers with a scale of eight bits. 128 numbers have 64 bytes of lower and 32 bytes of upper bits.
fn q6_k(block: &[u8; 210], out: &mut Vec<f32>) {
    let (low, rest) = block.split_at(128);
    let (high, rest) = rest.split_at(64);
    let (scales, d) = rest.split_at(16);
    let ([d], _) = numbers::<1>(d);
    for (half, (low, high)) in low.chunks_exact(64).zip(high.chunks_exact(32)).enumerate() {
        for (at, low) in halves(low).enumerate() {
            let high = (high[at % 32] >> (2 * (at / 32))) & 3;
            let scale = f32::from(scales[8 * half + at / 16].cast_signed());
            out.push(d * scale * (f32::from(low | high << 4) - 32.0));
        }
    }
}
