//! Mappings of the system's.

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use std::ptr::null_mut;

/// A huge page, bytes: x86-64's, and arm64's with pages of 4 KiB.
pub(crate) const HUGE: usize = 2 << 20;

/// So many zeros, from a huge page's border on; null where the system has no more. `bytes` is a multiple of a page.
pub(crate) fn map(bytes: usize) -> *mut u8 {
    // A page too many: the mapping begins anywhere, and what lies before and behind the block goes again.
    let Some(reserved) = bytes.checked_add(HUGE) else { return null_mut() };
    // SAFETY: a fresh mapping, wherever the system wants it.
    let mapping =
        unsafe { mmap_anonymous(null_mut(), reserved, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) };
    let Ok(mapping) = mapping else { return null_mut() };
    let start = mapping.cast::<u8>();
    let before = start.addr().next_multiple_of(HUGE) - start.addr();
    // SAFETY: all three lie in the mapping, one behind the other; the outer two are nobody's. Where one of the calls fails
    // the block is as good: a little more is mapped, or its pages are small.
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

/// Gives a mapping back.
///
/// # Safety
/// It is a block of [`map`]'s, of so many bytes, and nobody has it any more.
pub(crate) unsafe fn unmap(block: *mut u8, bytes: usize) {
    // SAFETY: as the caller promises.
    let unmapped = unsafe { munmap(block.cast(), bytes) };
    // The system refuses only what is no mapping.
    debug_assert!(unmapped.is_ok(), "{block:?}");
}
