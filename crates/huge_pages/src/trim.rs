//! Freed memory that is kept for the next blocks.

/// Gives freed memory back to the system: the large blocks that are kept here, and the standard allocator's free pages.
/// glibc keeps what threads freed for their next blocks: after hundreds of requests at a time that is most of what they took.
/// Takes some milliseconds, and so does mapping a large block again: call it when much was freed and little follows.
pub fn trim() {
    #[cfg(target_os = "linux")]
    while let Some((block, bytes)) = super::KEPT.oldest() {
        // SAFETY: the list has given it up, and it was mapped with so many bytes.
        unsafe { super::pages::unmap(block, bytes) };
    }
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called from any thread at any time, and keeps every block that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
