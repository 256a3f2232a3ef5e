//! Returns freed memory to the system.

/// Returns freed memory to the system: the large blocks kept here, and the standard allocator's free pages. glibc keeps
/// what threads have freed for later use; after hundreds of concurrent requests this is most of what they allocated.
/// Takes some milliseconds, and so does mapping a large block again, so call it when much was freed and little will be
/// allocated.
pub fn trim() {
    #[cfg(target_os = "linux")]
    while let Some((block, bytes)) = super::KEPT.oldest() {
        // SAFETY: the list no longer contains the block, and it was mapped with this many bytes.
        unsafe { super::pages::unmap(block, bytes) };
    }
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: may be called from any thread at any time, and keeps every block that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
