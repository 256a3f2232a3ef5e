//! Memory mappings of the operating system.

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use std::ptr::null_mut;

/// Size of a huge page in bytes: on x86-64, and on arm64 with 4 KiB pages.
pub(crate) const HUGE: usize = 2 << 20;

/// Maps `bytes` zeroed bytes, aligned to a huge page. Returns null if the system has no memory left. `bytes` is a
/// multiple of a page.
pub(crate) fn map(bytes: usize) -> *mut u8 {
    // Reserve one huge page more: a mapping may start anywhere, and the parts before and after the block are unmapped
    // again.
    let Some(reserved) = bytes.checked_add(HUGE) else { return null_mut() };
    // SAFETY: a new mapping at an address chosen by the system.
    let mapping =
        unsafe { mmap_anonymous(null_mut(), reserved, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) };
    let Ok(mapping) = mapping else { return null_mut() };
    let start = mapping.cast::<u8>();
    let before = start.addr().next_multiple_of(HUGE) - start.addr();
    // SAFETY: all three ranges are inside the mapping, and nothing uses the outer two. If one of the calls fails the
    // block is still valid: a little more stays mapped, or its pages are small.
    unsafe {
        let block = start.add(before);
        let behind = HUGE - before;
        if before > 0 {
            _ = munmap(start.cast(), before);
        }
        if behind > 0 {
            _ = munmap(block.add(bytes).cast(), behind);
        }
        _ = madvise(block.cast(), bytes, Advice::LinuxHugepage);
        block
    }
}

/// Unmaps a block.
///
/// # Safety
/// `block` must come from [`map`] with the same `bytes`, and nothing may use it any more.
pub(crate) unsafe fn unmap(block: *mut u8, bytes: usize) {
    // SAFETY: guaranteed by the caller.
    let unmapped = unsafe { munmap(block.cast(), bytes) };
    // The system rejects only addresses that are not mappings.
    debug_assert!(unmapped.is_ok(), "{block:?}");
}
