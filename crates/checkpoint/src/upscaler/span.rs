//! SPAN's `Conv3XC`: for training a 1 x 1, a 3 x 3 and a 1 x 1 convolution in a row and a 1 x 1 one beside them; for use one
//! 3 x 3 convolution. The file also has `eval_conv`, which some programs leave at an earlier state of the training: the
//! merged one is used, as spandrel does, where its parts are there.

use super::UpscalerTensor;
use crate::upscaler_error::UpscalerError;
use std::collections::BTreeMap;

type Tensors = BTreeMap<String, UpscalerTensor>;

/// The tensors with each `Conv3XC` as one convolution.
pub(super) fn merged(mut tensors: Tensors) -> Result<Tensors, UpscalerError> {
    let roots: Vec<String> =
        tensors.keys().filter_map(|name| name.strip_suffix(".eval_conv.weight")).map(str::to_owned).collect();
    for root in roots {
        let mut take = |part: &str| {
            let name = format!("{root}.{part}");
            tensors.remove(&name).ok_or(UpscalerError::Missing { name })
        };
        let (weight, bias) = (take("eval_conv.weight")?, take("eval_conv.bias")?);
        let merged = match take("sk.weight") {
            Ok(beside) => {
                let beside = [beside, take("sk.bias")?];
                let mut conv =
                    |n| Ok::<_, UpscalerError>([take(&format!("conv.{n}.weight"))?, take(&format!("conv.{n}.bias"))?]);
                let in_a_row = [conv(0)?, conv(1)?, conv(2)?];
                merge(&beside, &in_a_row, weight.shape, bias.shape)
            }
            Err(_) => [weight, bias],
        };
        let [weight, bias] = merged;
        tensors.insert(format!("{root}.weight"), weight);
        tensors.insert(format!("{root}.bias"), bias);
    }
    Ok(tensors)
}

/// One 3 x 3 convolution, summed in f64. The names' shapes have been checked.
fn merge(
    [beside, beside_bias]: &[UpscalerTensor; 2],
    [[first, first_bias], [second, second_bias], [third, third_bias]]: &[[UpscalerTensor; 2]; 3],
    shape: Vec<usize>,
    bias_shape: Vec<usize>,
) -> [UpscalerTensor; 2] {
    let (c_out, c_in) = (shape[0], shape[1]);
    let (wide_in, wide_out) = (first.shape[0], second.shape[0]);
    let at = |tensor: &UpscalerTensor, index: usize| f64::from(tensor.values[index]);
    // The first two in a row: [wide_out, c_in, 9] and [wide_out].
    let mut two = vec![0.0_f64; wide_out * c_in * 9];
    let mut two_bias: Vec<f64> = (0..wide_out).map(|m| at(second_bias, m)).collect();
    for m in 0..wide_out {
        for k in 0..wide_in {
            for tap in 0..9 {
                let weight = at(second, (m * wide_in + k) * 9 + tap);
                two_bias[m] += weight * at(first_bias, k);
                for i in 0..c_in {
                    two[(m * c_in + i) * 9 + tap] += weight * at(first, k * c_in + i);
                }
            }
        }
    }
    let mut weight = vec![0.0_f64; c_out * c_in * 9];
    let mut bias: Vec<f64> = (0..c_out).map(|o| at(third_bias, o) + at(beside_bias, o)).collect();
    for o in 0..c_out {
        for m in 0..wide_out {
            let factor = at(third, o * wide_out + m);
            bias[o] += factor * two_bias[m];
            for (sum, value) in weight[o * c_in * 9..][..c_in * 9].iter_mut().zip(&two[m * c_in * 9..]) {
                *sum += factor * value;
            }
        }
        for i in 0..c_in {
            weight[(o * c_in + i) * 9 + 4] += at(beside, o * c_in + i);
        }
    }
    let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
    [UpscalerTensor { shape, values: narrow(weight) }, UpscalerTensor { shape: bias_shape, values: narrow(bias) }]
}
