//! Computing gives way to answering.

/// The niceness of the threads that compute, on top of the process's own.
///
/// A step uses every core: at the same niceness as the server's threads, a request waits for the kernel to take a
/// core from it.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 3;

/// Starts the threads that tensors are computed on so that all others come first. Later calls change nothing.
///
/// On Linux only: elsewhere niceness is the whole process's.
pub(crate) fn give_way() {
    #[cfg(target_os = "linux")]
    // An error says that the threads are there already.
    let _ = pool().build_global();
}

#[cfg(target_os = "linux")]
fn pool() -> rayon::ThreadPoolBuilder {
    rayon::ThreadPoolBuilder::new().start_handler(|_| {
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::debug!(%error, "a computing thread keeps its priority");
        }
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process;

    #[test]
    fn threads_that_compute_come_after_all_others() {
        let own = getpriority_process(None).expect("a thread has a niceness");
        let pool = super::pool().build().expect("threads can be started");
        let computing = pool.install(|| getpriority_process(None)).expect("a thread has a niceness");
        assert_eq!(computing, (own + super::NICENESS).min(19));
        assert_eq!(getpriority_process(None).expect("a thread has a niceness"), own, "this one's is as it was");
    }
}
