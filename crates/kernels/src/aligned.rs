//! Numbers that begin at a cache line.

use std::ops::{Deref, DerefMut};

/// As many numbers as a cache line holds. A vector of AVX-512 is one: out of place, each load of one touches two
/// lines.
const LINE: usize = 16;

/// A buffer that begins at a cache line.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    numbers: Vec<f32>,
    first: usize,
    count: usize,
}

impl Aligned {
    /// So many zeros.
    pub(crate) fn zeros(count: usize) -> Self {
        let mut aligned = Self::default();
        aligned.resize(count);
        aligned
    }

    /// Makes it so long; what was in it stays or goes, what is new is zero.
    pub(crate) fn resize(&mut self, count: usize) {
        if self.numbers.len() < count + LINE {
            self.numbers = vec![0.0; count + LINE];
            // In bytes a pointer can always be aligned so: 64 is a multiple of 4, and so is the address.
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
