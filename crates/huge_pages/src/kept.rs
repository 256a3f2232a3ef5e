//! Freed blocks, kept for reuse by blocks of the same size.

use std::sync::{Mutex, PoisonError};

/// Maximum bytes that are kept: what a decoder needs between layers at 512 x 512, which is a small part of such a
/// model's memory.
const MOST_BYTES: usize = 256 << 20;
/// Maximum number of blocks that are kept; a search visits all of them.
const MOST_BLOCKS: usize = 64;

/// Freed blocks in a fixed number of slots, because an allocator cannot allocate.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Blocks>);

#[derive(Clone, Copy, Debug)]
struct Place {
    address: usize,
    /// 0 if the slot is empty.
    bytes: usize,
    /// Number of blocks that were kept before it; gives the order of age.
    since: u64,
}

#[derive(Debug)]
struct Blocks {
    places: [Place; MOST_BLOCKS],
    bytes: usize,
    kept: u64,
}

impl Default for Blocks {
    fn default() -> Self {
        Self::new()
    }
}

impl Blocks {
    const fn new() -> Self {
        Self { places: [Place { address: 0, bytes: 0, since: 0 }; MOST_BLOCKS], bytes: 0, kept: 0 }
    }

    fn oldest(&mut self) -> Option<(*mut u8, usize)> {
        let taken = self.places.iter().enumerate().filter(|(_, place)| place.bytes > 0);
        let (oldest, _) = taken.min_by_key(|(_, place)| place.since)?;
        Some(self.empty(oldest))
    }

    fn empty(&mut self, place: usize) -> (*mut u8, usize) {
        let Place { address, bytes, .. } = self.places[place];
        self.places[place].bytes = 0;
        self.bytes -= bytes;
        (std::ptr::with_exposed_provenance_mut(address), bytes)
    }
}

/// What happened to a freed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freed {
    /// It was kept.
    Kept,
    /// Not kept yet: this block, the oldest, must be unmapped first. The caller then tries again.
    After(*mut u8, usize),
    /// It is larger than everything that may be kept.
    TooLarge,
}

impl Kept {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Blocks::new()))
    }

    /// Returns a block of exactly this size, if there is one. Its content is whatever was written last.
    pub(crate) fn take(&self, bytes: usize) -> Option<*mut u8> {
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = blocks.places.iter().position(|place| place.bytes == bytes)?;
        Some(blocks.empty(place).0)
    }

    /// Removes the oldest block and returns it.
    pub(crate) fn oldest(&self) -> Option<(*mut u8, usize)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).oldest()
    }

    /// Keeps a block. Sizes change when a model goes from one part to the next, so the oldest blocks are dropped first.
    pub(crate) fn keep(&self, block: *mut u8, bytes: usize) -> Freed {
        if bytes > MOST_BYTES {
            return Freed::TooLarge;
        }
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = blocks.places.iter().position(|place| place.bytes == 0);
        let Some(free) = free.filter(|_| blocks.bytes + bytes <= MOST_BYTES) else {
            let Some((oldest, bytes)) = blocks.oldest() else { return Freed::TooLarge };
            return Freed::After(oldest, bytes);
        };
        blocks.kept += 1;
        blocks.places[free] = Place { address: block.expose_provenance(), bytes, since: blocks.kept };
        blocks.bytes += bytes;
        Freed::Kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(n: usize) -> *mut u8 {
        std::ptr::without_provenance_mut((n + 1) << 21)
    }

    #[test]
    fn a_block_comes_back_once_and_to_its_own_size_only() {
        let kept = Kept::new();
        assert_eq!(kept.keep(block(1), 2 << 20), Freed::Kept);
        assert_eq!(kept.keep(block(2), 4 << 20), Freed::Kept);
        assert_eq!(kept.take(3 << 20), None);
        assert_eq!(kept.take(2 << 20), Some(block(1)));
        assert_eq!(kept.take(2 << 20), None);
        assert_eq!(kept.take(4 << 20), Some(block(2)));
        assert_eq!(kept.0.lock().expect("no panic").bytes, 0);
    }

    #[test]
    fn no_more_is_kept_than_the_bound_and_the_oldest_goes_first() {
        let (kept, half) = (Kept::new(), MOST_BYTES / 2);
        assert_eq!(kept.keep(block(0), MOST_BYTES + 1), Freed::TooLarge);
        for n in 0..2 {
            assert_eq!(kept.keep(block(n), half), Freed::Kept);
        }
        assert_eq!(kept.keep(block(2), 2 << 20), Freed::After(block(0), half));
        assert_eq!(kept.keep(block(2), 2 << 20), Freed::Kept);
        assert_eq!(kept.take(half), Some(block(1)));

        let kept = Kept::new();
        for n in 0..MOST_BLOCKS {
            assert_eq!(kept.keep(block(n), 2 << 20), Freed::Kept);
        }
        assert_eq!(kept.keep(block(99), 2 << 20), Freed::After(block(0), 2 << 20));
    }
}
