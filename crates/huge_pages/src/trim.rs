//! Freed memory that the standard allocator keeps.

/// Gives the standard allocator's free pages back to the system. glibc keeps what threads freed for their next blocks: after
/// hundreds of requests at a time that is most of what they took. Takes some milliseconds; other allocators need no such call.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called from any thread at any time, and keeps every block that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
