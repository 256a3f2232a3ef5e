//! A lower priority for the computing threads, so that requests do not wait for a sampling step.

/// Niceness of the computing threads, added to the process's own.
///
/// A step uses every core. At the same niceness as the server's threads, a request would wait until the kernel preempts
/// the step.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 3;

/// Starts the global thread pool for tensors with a lower priority. Later calls have no effect.
///
/// Linux only: elsewhere niceness applies to the whole process.
pub(crate) fn lower() {
    #[cfg(target_os = "linux")]
    // An error means that the pool exists already.
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
