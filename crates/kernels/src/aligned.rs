//! Buffers aligned to cache lines.

use std::ops::{Deref, DerefMut};

/// Number of f32 values in a cache line, which is also one AVX-512 vector. Loading an unaligned vector touches two
/// lines.
const LINE: usize = 16;

/// A buffer that starts at a cache line.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    numbers: Vec<f32>,
    first: usize,
    count: usize,
}

impl Aligned {
    /// A buffer of `count` zeros.
    pub(crate) fn zeros(count: usize) -> Self {
        let mut aligned = Self::default();
        aligned.resize(count);
        aligned
    }

    /// Sets the length. Existing values may be kept or lost; new ones are zero.
    pub(crate) fn resize(&mut self, count: usize) {
        if self.numbers.len() < count + LINE {
            self.numbers = vec![0.0; count + LINE];
            // In bytes this alignment is always possible: 64 is a multiple of 4, and so is the address.
            self.first = self.numbers.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        }
        self.count = count;
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.numbers[self.first..self.first + self.count]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.numbers[self.first..self.first + self.count]
    }
}
