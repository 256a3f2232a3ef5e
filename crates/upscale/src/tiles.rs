//! Tiles: the picture is computed in parts, so that memory does not grow with it.

use std::ops::Range;

/// How a picture is cut into tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Side of what a tile adds to the result, pixels of the input.
    pub side: usize,
}

impl Default for Tiles {
    /// 256. With 64 channels the largest tensor of Compact then has 22 MB, and that of an ESRGAN, at four times the size, 419 MB.
    fn default() -> Self {
        Self { side: 256 }
    }
}

/// One tile of one side: what is read, and what of it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The pixels that are read: what is kept, with neighbours on both sides.
    pub read: Range<usize>,
    /// The pixels that are kept.
    pub keep: Range<usize>,
}

impl Tiles {
    /// The parts of a side of `length` pixels, with at least `overlap` real neighbours wherever the picture has them. All
    /// parts of a side read equally many pixels: a GPU tunes its kernels for each size.
    pub(crate) fn parts(self, length: usize, overlap: usize) -> Vec<Part> {
        let side = self.side.max(1);
        let read = (side + 2 * overlap).min(length);
        let starts = (0..length.div_ceil(side)).map(|n| n * side);
        starts
            .map(|start| {
                let keep = start..(start + side).min(length);
                let from = start.saturating_sub(overlap).min(length - read);
                Part { read: from..from + read, keep }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_side_once_and_have_their_neighbours() {
        for (length, side, overlap) in [(1, 4, 2), (4, 4, 2), (5, 4, 2), (100, 16, 3), (1000, 256, 18), (300, 256, 32)]
        {
            let parts = Tiles { side }.parts(length, overlap);
            let mut next = 0;
            for part in &parts {
                assert_eq!(part.keep.start, next);
                next = part.keep.end;
                let least = part.keep.start.saturating_sub(overlap)..(part.keep.end + overlap).min(length);
                assert!(part.read.start <= least.start && part.read.end >= least.end, "{part:?} of {length}");
                assert!(part.read.end <= length && part.read.len() == parts[0].read.len(), "{part:?} of {length}");
            }
            assert_eq!(next, length);
        }
    }
}
