//! The process's limit of open files.

/// More than the server needs. Not higher, because some libraries iterate over all possible descriptors.
#[cfg(unix)]
const ENOUGH: u64 = 65_536;

/// Raises the soft limit of open files to the hard limit, at most to [`ENOUGH`]. Returns the limit, or `None` if unknown.
#[cfg(unix)]
pub fn raise() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = current?;
    // macOS reports no maximum, but accepts no more than this.
    let most = if cfg!(target_os = "macos") { 10_240 } else { ENOUGH };
    let wanted = maximum.unwrap_or(most).min(most);
    if wanted <= current {
        return Some(current);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        Ok(()) => Some(wanted),
        Err(error) => {
            tracing::warn!(%error, current, wanted, "cannot raise the limit of open files");
            Some(current)
        }
    }
}

/// `None`: this system has no such limit.
#[cfg(not(unix))]
pub fn raise() -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_limit_is_raised_once_and_stays() {
        let raised = super::raise().expect("Linux has a limit");
        let limits = std::fs::read_to_string("/proc/self/limits").expect("readable");
        let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
        let soft: u64 = line.split_whitespace().nth(3).and_then(|number| number.parse().ok()).expect("a number");
        assert_eq!(soft, raised);
        assert_eq!(super::raise(), Some(raised));
    }
}
