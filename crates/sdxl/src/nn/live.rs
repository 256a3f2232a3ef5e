//! The tensors that are alive during each layer, for memory estimates.

/// The kind of device. Its kernels decide which temporary tensors are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputesOn {
    /// A GPU through wgpu. A convolution reads a copy with the channels innermost; a norm writes the values without their
    /// mean, and their squares.
    Gpu,
    /// The CPU kernels of the crate `kernels`. A norm works in place; a convolution reads a zero-padded copy.
    Processor,
}

/// Bytes of an f32 value: the VAE's values, and every norm's while it works.
pub(crate) const WIDE: u128 = 4;

/// Walks through layers and keeps the largest sum of live tensors.
///
/// `held` is the size of the tensors that live beside a layer, in bytes. Sizes of a layer's own tensors are numbers of
/// values.
pub(crate) struct Live {
    pub(crate) on: ComputesOn,
    /// Bytes of a value.
    pub(crate) value: u128,
    /// Bytes of a value at a group norm's largest moment.
    in_norm: u128,
    /// The largest moment so far, bytes.
    pub(crate) largest: u128,
}

impl Live {
    /// `value` is the size of one value in bytes.
    pub(crate) fn new(on: ComputesOn, value: u128) -> Self {
        // A GPU's norm holds the values without their mean and their squares, in f32.
        let in_norm = match on {
            ComputesOn::Gpu => 2 * WIDE,
            ComputesOn::Processor => WIDE,
        };
        Self { on, value, in_norm, largest: 0 }
    }

    /// Group norms with given statistics never work in place.
    pub(crate) fn use_given_statistics(&mut self) {
        self.in_norm = 2 * WIDE;
    }

    /// A moment with `values` live values.
    pub(crate) fn alive(&mut self, held: u128, values: u128) {
        self.largest = self.largest.max(held + self.value * values);
    }

    /// An operation that reads its input in another memory order: input and copy, then copy and result.
    pub(crate) fn reordered(&mut self, held: u128, [n_in, n_out]: [u128; 2]) {
        self.alive(held, n_in + n_in.max(n_out));
    }

    /// A group norm of `n` values. `held` includes its input if that is needed afterwards.
    pub(crate) fn norm(&mut self, held: u128, n: u128) {
        self.largest = self.largest.max(held + self.in_norm * n);
    }

    /// A layer norm. Never in place.
    pub(crate) fn layer_norm(&mut self, held: u128, n: u128) {
        self.largest = self.largest.max(held + 2 * WIDE * n);
    }

    /// A convolution with `weights` values, which a GPU reads in another order as well.
    pub(crate) fn conv(&mut self, held: u128, [n_in, n_out]: [u128; 2], weights: u128) {
        match self.on {
            ComputesOn::Gpu => self.reordered(held, [n_in, n_out + weights]),
            // The caller owns the input until the end.
            ComputesOn::Processor => self.alive(held, n_in + n_in + n_out),
        }
    }

    /// A linear layer. A GPU adds the bias to a copy of the product.
    pub(crate) fn linear(&mut self, held: u128, [n_in, n_out]: [u128; 2]) {
        self.reordered(held, [n_in, n_out]);
        if self.on == ComputesOn::Gpu {
            self.alive(held, 2 * n_out);
        }
    }

    /// A [`ResnetBlock`](super::ResnetBlock). Its input is held by others (`is_held`), or freed when the shortcut is
    /// computed.
    pub(crate) fn resnet(&mut self, held: u128, is_held: bool, [c_in, c_out]: [usize; 2], pixels: u128) {
        let [c_in, c_out] = [c_in as u128, c_out as u128];
        let [x, y] = [c_in, c_out].map(|channels| channels * pixels);
        let with_x = if is_held { held } else { held + self.value * x };
        let beside = match c_in == c_out {
            true => with_x,
            false => {
                // The input's copy, and the shortcut.
                self.alive(with_x, x + y);
                held + self.value * y
            }
        };
        self.norm(beside, x);
        self.conv(beside, [x, y], 9 * c_in * c_out);
        self.norm(beside, y);
        self.conv(beside, [y, y], 9 * c_out * c_out);
        self.alive(beside, 2 * y);
    }
}
