#![doc = include_str!("../README.md")]

#[cfg(target_os = "linux")]
mod kept;
#[cfg(target_os = "linux")]
mod pages;
mod trim;

#[cfg(target_os = "linux")]
use kept::Freed;
use std::alloc::{GlobalAlloc, Layout, System};
pub use trim::trim;

/// Blocks of at least this many bytes are large: a huge page of x86-64.
#[cfg(target_os = "linux")]
const LARGE: usize = 2 << 20;

/// Freed blocks of this process. One list for all instances of this allocator, since a process has only one.
#[cfg(target_os = "linux")]
static KEPT: kept::Kept = kept::Kept::new();

/// The allocator.
#[derive(Debug, Default)]
pub struct HugePages(());

impl HugePages {
    /// Creates the allocator.
    pub const fn new() -> Self {
        Self(())
    }
}

#[cfg(target_os = "linux")]
impl HugePages {
    fn free(&self, block: *mut u8, bytes: usize) {
        loop {
            let (given_up, bytes, is_done) = match KEPT.keep(block, bytes) {
                Freed::Kept => return,
                Freed::After(oldest, its_bytes) => (oldest, its_bytes, false),
                Freed::TooLarge => (block, bytes, true),
            };
            // SAFETY: both kinds are mappings of `bytes` bytes, as computed from their layouts, and nothing uses them
            // any more.
            unsafe { pages::unmap(given_up, bytes) };
            if is_done {
                return;
            }
        }
    }
}

/// Number of bytes mapped for a large block: the size, rounded up to a multiple of an eighth of the power of two below
/// it. `None` for a block that is not large.
#[cfg(target_os = "linux")]
fn mapped_bytes(layout: Layout) -> Option<usize> {
    let size = layout.size();
    if size < LARGE || layout.align() > pages::HUGE {
        return None;
    }
    let step = (1 << size.ilog2()) / 8;
    size.checked_next_multiple_of(step)
}

// SAFETY: a block is either `System`'s or a mapping of its own. Which of them depends only on its layout, so each is
// freed by the allocator it came from. A mapping is as long as its layout requires, and starts at a huge page.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        #[cfg(target_os = "linux")]
        if let Some(bytes) = mapped_bytes(layout) {
            return KEPT.take(bytes).unwrap_or_else(|| pages::map(bytes));
        }
        // SAFETY: the caller guarantees the same preconditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        #[cfg(target_os = "linux")]
        if let Some(bytes) = mapped_bytes(layout) {
            // New mappings are zeroed.
            let Some(used) = KEPT.take(bytes) else { return pages::map(bytes) };
            // SAFETY: the block is `bytes` long, which is at least the layout's size, and nothing else uses it.
            unsafe { used.write_bytes(0, layout.size()) };
            return used;
        }
        // SAFETY: the caller guarantees the same preconditions.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        #[cfg(target_os = "linux")]
        if let Some(bytes) = mapped_bytes(layout) {
            return self.free(block, bytes);
        }
        // SAFETY: the caller guarantees the same preconditions, and a block that is not large is `System`'s.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller guarantees that `new_size`, rounded up to the alignment, is at most `isize::MAX`.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        #[cfg(target_os = "linux")]
        match (mapped_bytes(layout), mapped_bytes(new_layout)) {
            (None, None) => {}
            (before, after) if before == after => return block,
            _ => {
                // SAFETY: both blocks are at least as long as the copied range and do not overlap. The caller gives up
                // `block` as soon as there is a new one.
                return unsafe {
                    let moved = self.alloc(new_layout);
                    if !moved.is_null() {
                        moved.copy_from_nonoverlapping(block, layout.size().min(new_size));
                        self.dealloc(block, layout);
                    }
                    moved
                };
            }
        }
        // SAFETY: the caller guarantees the same preconditions, and a block that is not large is `System`'s.
        unsafe { System.realloc(block, layout, new_size) }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: HugePages = HugePages::new();

    fn bytes_of(size: usize) -> Option<usize> {
        mapped_bytes(Layout::from_size_align(size, 4).expect("a layout"))
    }

    #[test]
    fn a_large_block_is_mapped_with_an_eighth_to_spare_at_most() {
        assert_eq!((bytes_of(0), bytes_of(LARGE - 1)), (None, None));
        assert_eq!(bytes_of(LARGE), Some(LARGE));
        for size in (LARGE..200 << 20).step_by(777_777) {
            let bytes = bytes_of(size).expect("large");
            assert!(bytes >= size && bytes - size < size / 8, "{size}: {bytes}");
            assert!(bytes.is_multiple_of(4096), "{size}: {bytes}");
        }
        assert_eq!(mapped_bytes(Layout::from_size_align(8 << 20, 4 << 20).expect("a layout")), None);
    }

    #[test]
    fn zeroed_blocks_are_zero_also_where_a_used_one_lay() {
        for round in 0..20 {
            let mut numbers = vec![0_u64; (3 << 20) + round];
            assert!(numbers.iter().all(|number| *number == 0), "round {round}");
            numbers.fill(u64::MAX);
            assert!((numbers.as_ptr() as usize).is_multiple_of(pages::HUGE));
        }
    }

    #[test]
    fn what_grows_and_shrinks_across_the_border_keeps_its_numbers() {
        let mut numbers = Vec::new();
        for number in 0..3_000_000_u32 {
            numbers.push(number);
        }
        for keep in [2_900_000, 600_000, 500_000, 10] {
            numbers.truncate(keep);
            numbers.shrink_to_fit();
            assert!(numbers.iter().copied().eq(0..keep as u32), "{keep}");
        }
        numbers.resize(2_000_000, 7);
        assert_eq!((numbers[9], numbers[10], numbers[1_999_999]), (9, 7, 7));
    }

    /// Resident memory in bytes.
    fn resident() -> usize {
        let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
        pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
    }

    #[test]
    fn trimming_gives_back_what_is_kept() {
        let used = vec![1_u8; 200 << 20];
        let most = resident();
        drop(used);
        // Other tests use the list at the same time, with a few megabytes.
        trim();
        assert!(resident() + (150 << 20) < most, "{} of {most} bytes are left", resident());
    }

    #[test]
    fn threads_share_it() {
        let fill = |seed: u32| {
            for round in 0..30 {
                let size = 600_000 + (seed as usize * 7919 + round * 104_729) % 3_000_000;
                let numbers = vec![seed; size];
                std::thread::yield_now();
                assert!(numbers.iter().all(|number| *number == seed));
            }
        };
        std::thread::scope(|scope| (1..5).for_each(|seed| _ = scope.spawn(move || fill(seed))));
    }
}
