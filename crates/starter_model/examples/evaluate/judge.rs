//! Judges what a picture shows, independently of the model that drew it.

use crate::{shared::Result, suite::Colours};
use image::RgbImage;
use safetensors::{Dtype, SafeTensors};
use std::path::Path;

/// The classifiers' input size in pixels.
const SIDE: usize = 64;

/// Two classifiers of the object. Results are indices into the suite's classes.
pub struct Judges {
    colour: Net,
    shape: Net,
}

/// The classifiers' results.
pub struct Said {
    /// From the classifier that sees colours.
    pub colour: usize,
    /// From the classifier that sees only a greyscale picture, so that an object's colour does not help it.
    pub shape: usize,
}

impl Judges {
    /// Reads both and compares them with the reference outputs stored with them.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path)?;
        let file = SafeTensors::deserialize(&bytes)?;
        let judges = Self { colour: Net::read(&file, "colour")?, shape: Net::read(&file, "shape")? };
        let probe: Vec<f32> = (0..3 * SIDE * SIDE).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
        let said = [judges.colour.logits(&probe), judges.shape.logits(&gray(&probe))];
        for (name, found) in ["probe.colour", "probe.shape"].into_iter().zip(said) {
            let expected = numbers(&file, name)?;
            let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // The weights were rounded to f16, and logits are of order ten.
            if found.len() != expected.len() || worst.is_nan() || worst > 0.1 {
                return Err(format!("{name}: {worst} away from what the trained judge says").into());
            }
        }
        Ok(judges)
    }

    pub fn judge(&self, picture: &RgbImage) -> Said {
        let small = small(picture);
        Said { colour: largest(&self.colour.logits(&small)), shape: largest(&self.shape.logits(&gray(&small))) }
    }
}

/// Four convolutions 3x3 with stride 2 and ReLU, then a linear layer.
struct Net {
    layers: Vec<Layer>,
    head: Vec<f32>,
    bias: Vec<f32>,
}

struct Layer {
    /// `[out, in, 3, 3]`
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Net {
    fn read(file: &SafeTensors, name: &str) -> Result<Self> {
        let layer = |i| {
            let part = |part| numbers(file, &format!("{name}.{i}.{part}"));
            Ok(Layer { weight: part("weight")?, bias: part("bias")? })
        };
        Ok(Self {
            layers: (0..4).map(layer).collect::<Result<_>>()?,
            head: numbers(file, &format!("{name}.head.weight"))?,
            bias: numbers(file, &format!("{name}.head.bias"))?,
        })
    }

    /// # Shapes
    /// `x`: `[3, 64, 64]`
    fn logits(&self, x: &[f32]) -> Vec<f32> {
        let (mut x, mut side) = (x.to_vec(), SIDE);
        for layer in &self.layers {
            x = layer.forward(&x, side);
            side /= 2;
        }
        let rows = self.head.chunks(x.len()).zip(&self.bias);
        rows.map(|(row, bias)| bias + row.iter().zip(&x).map(|(a, b)| a * b).sum::<f32>()).collect()
    }
}

impl Layer {
    /// # Shapes
    /// `x`: `[in, side, side]`; returns `[out, side / 2, side / 2]`
    fn forward(&self, x: &[f32], side: usize) -> Vec<f32> {
        let (inputs, half) = (x.len() / (side * side), side / 2);
        let mut out = Vec::with_capacity(self.bias.len() * half * half);
        for (kernel, bias) in self.weight.chunks(inputs * 9).zip(&self.bias) {
            for at in 0..half * half {
                let (row, column) = (at / half * 2, at % half * 2);
                let mut sum = *bias;
                for (i, weight) in kernel.iter().enumerate() {
                    let (y, x0) = (row + i % 9 / 3, column + i % 3);
                    // Padded by one: row and column start at -1.
                    if (1..=side).contains(&y) && (1..=side).contains(&x0) {
                        sum += weight * x[i / 9 * side * side + (y - 1) * side + x0 - 1];
                    }
                }
                out.push(sum.max(0.0));
            }
        }
        out
    }
}

fn numbers(file: &SafeTensors, name: &str) -> Result<Vec<f32>> {
    let tensor = file.tensor(name)?;
    let data = tensor.data();
    Ok(match tensor.dtype() {
        Dtype::F16 => data.as_chunks().0.iter().map(|two| half::f16::from_le_bytes(*two).to_f32()).collect(),
        Dtype::F32 => data.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect(),
        other => return Err(format!("{name} is {other:?}").into()),
    })
}

fn largest(logits: &[f32]) -> usize {
    (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0)
}

/// Planes in -1..1 at half the side: each value is the mean of four pixels.
fn small(picture: &RgbImage) -> Vec<f32> {
    let at = |i: usize| {
        let (channel, y, x) = (i / (SIDE * SIDE), i / SIDE % SIDE * 2, i % SIDE * 2);
        let pixel = |dy: usize, dx: usize| f32::from(picture.get_pixel((x + dx) as u32, (y + dy) as u32)[channel]);
        (pixel(0, 0) + pixel(0, 1) + pixel(1, 0) + pixel(1, 1)) / 4.0 / 127.5 - 1.0
    };
    (0..3 * SIDE * SIDE).map(at).collect()
}

/// Three equal planes: brightness, normalised in mean and contrast.
fn gray(x: &[f32]) -> Vec<f32> {
    let n = x.len() / 3;
    let plane: Vec<f32> = (0..n).map(|i| (x[i] + x[n + i] + x[2 * n + i]) / 3.0).collect();
    let mean = plane.iter().sum::<f32>() / n as f32;
    let spread = (plane.iter().map(|g| (g - mean).powi(2)).sum::<f32>() / (n - 1) as f32).sqrt();
    let plane: Vec<f32> = plane.iter().map(|g| (g - mean) / (spread + 0.05)).collect();
    [plane.as_slice(); 3].concat()
}

/// The named background nearest to the border's median colour.
pub fn background<'a>(picture: &RgbImage, named: &'a Colours) -> &'a str {
    nearest(border(picture), named).map_or("", |(name, _)| name)
}

/// The colour of most of the object's pixels; `None` if there is hardly any object.
pub fn object_colour<'a>(picture: &RgbImage, named: &'a Colours) -> Option<&'a str> {
    let (ground, side) = (border(picture), picture.width());
    let middle = side / 4..side / 4 * 3;
    let pixels = middle.clone().flat_map(|y| middle.clone().map(move |x| (x, y)));
    let pixels = pixels.map(|(x, y)| picture.get_pixel(x, y).0.map(f64::from));
    let object: Vec<[f64; 3]> = pixels.filter(|&pixel| distance(pixel, ground) > 60.0 * 60.0).collect();
    if object.len() < 200 {
        return None;
    }
    let mut counts: Vec<(&str, usize)> = named.keys().map(|name| (name.as_str(), 0)).collect();
    for (name, distance) in object.iter().filter_map(|&pixel| nearest(pixel, named)) {
        if distance < 90.0 * 90.0 {
            counts.iter_mut().filter(|(of, _)| *of == name).for_each(|(_, count)| *count += 1);
        }
    }
    let all: usize = counts.iter().map(|(_, count)| count).sum();
    counts.into_iter().max_by_key(|(_, count)| *count).filter(|_| all >= 100).map(|(name, _)| name)
}

fn nearest(colour: [f64; 3], named: &Colours) -> Option<(&str, f64)> {
    let distances = named.iter().map(|(name, of)| (name.as_str(), distance(colour, *of)));
    distances.min_by(|a, b| a.1.total_cmp(&b.1))
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// The median colour of a border six pixels wide.
fn border(picture: &RgbImage) -> [f64; 3] {
    const WIDE: u32 = 6;
    let (width, height) = picture.dimensions();
    let at_edge = |n: u32, side: u32| n < WIDE || n + WIDE >= side;
    let pixels: Vec<_> =
        picture.enumerate_pixels().filter(|&(x, y, _)| at_edge(x, width) || at_edge(y, height)).collect();
    [0, 1, 2].map(|channel| {
        let mut levels: Vec<u8> = pixels.iter().map(|(_, _, pixel)| pixel[channel]).collect();
        levels.sort_unstable();
        levels.get(levels.len() / 2).copied().map_or(0.0, f64::from)
    })
}
