//! Means and variances of group norms.

use burn::tensor::Tensor;

/// Mean and variance of each group, both `[b, groups, 1]`.
#[derive(Clone, Debug)]
pub struct Moments {
    mean: Tensor<3>,
    variance: Tensor<3>,
}

impl Moments {
    /// The moments of several parts of equal size, taken together.
    ///
    /// # Panics
    /// If `parts` is empty.
    pub fn pooled(parts: &[Self]) -> Self {
        let average = |of: fn(&Self) -> Tensor<3>| {
            let stacked = Tensor::cat(parts.iter().map(of).collect(), 2);
            stacked.mean_dim(2)
        };
        let mean = average(|part| part.mean.clone());
        let square = average(|part| part.variance.clone() + part.mean.clone().square());
        Self { variance: square - mean.clone().square(), mean }
    }
}

/// The source of a group norm's mean and variance. All tiles of a picture use the statistics of the whole picture: with its
/// own, a tile of plain sky would be stretched to the contrast of a tile of leaves.
#[derive(Debug)]
pub enum Statistics<'a> {
    /// From the input.
    Own,
    /// From the input, and appended here in the order in which the norms run.
    Recorded(&'a mut Vec<Moments>),
    /// From an earlier run, in the same order. From the input once they are used up.
    Given(std::slice::Iter<'a, Moments>),
}

impl Statistics<'_> {
    /// Returns `x` (`[b, groups, n]`, f32) without its mean, and the inverse standard deviation.
    pub(super) fn apply(&mut self, x: Tensor<3>, epsilon: f64) -> (Tensor<3>, Tensor<3>) {
        let inverse_std = |variance: Tensor<3>| (variance + epsilon).sqrt().recip();
        if let Self::Given(moments) = self
            && let Some(Moments { mean, variance }) = moments.next()
        {
            return (x - mean.clone(), inverse_std(variance.clone()));
        }
        let mean = x.clone().mean_dim(2);
        let centred = x - mean.clone();
        let variance = centred.clone().square().mean_dim(2);
        if let Self::Recorded(moments) = self {
            moments.push(Moments { mean, variance: variance.clone() });
        }
        (centred, inverse_std(variance))
    }
}
