//! Limits on the number of connections and on the time that each may keep the server waiting.

use std::time::Duration;

/// File descriptors reserved for the database, pictures, exports and logs.
const RESERVED: u64 = 256;
/// Maximum number of connections. Each uses up to about 100 kB.
const MOST: u64 = 2048;
/// Minimum number of connections where descriptors are scarce: enough for one person and a local server.
const LEAST: u64 = 16;

/// The limits of the accept loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of connections, including WebSockets.
    pub connections: usize,
    /// Maximum from one IPv4 address or one IPv6 /64.
    pub per_address: usize,
    /// Maximum from the loopback addresses: behind a proxy on this machine, all clients use them.
    pub per_loopback: usize,
    /// For a request's header, from its first byte to its last; on a new connection, from its start.
    pub header: Duration,
    /// Between a response and the next request.
    pub idle: Duration,
    /// Without receiving a byte of a body, or without sending a byte of a response.
    pub stall: Duration,
    /// Total waiting time for one body or one response, in addition to what `rate` allows.
    pub patience: Duration,
    /// Minimum rate, bytes per second: each time this many bytes are transferred, one more second of waiting is allowed.
    pub rate: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2048,
            per_address: 256,
            per_loopback: 1536,
            header: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            patience: Duration::from_secs(30),
            rate: 500,
        }
    }
}

impl Limits {
    /// Limits for a process that may open this many file descriptors, `None` if unknown. A connection uses one, and the file
    /// that it is sent another.
    pub fn for_descriptors(descriptors: Option<u64>) -> Self {
        let free = descriptors.map_or(MOST, |all| all.saturating_sub(RESERVED) / 2);
        let connections = usize::try_from(free.clamp(LEAST, MOST)).unwrap_or(usize::MAX);
        Self {
            connections,
            per_address: (connections / 8).max(8),
            per_loopback: connections / 4 * 3,
            ..Self::default()
        }
    }

    /// Interval of the timeout checks.
    pub(super) fn tick(&self) -> Duration {
        let shortest = self.header.min(self.idle).min(self.stall).min(self.patience);
        (shortest / 8).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_the_servers_own_files() {
        assert_eq!(Limits::for_descriptors(None), Limits::default());
        assert_eq!(Limits::for_descriptors(Some(1 << 20)), Limits::default());
        let usual = Limits::for_descriptors(Some(1024));
        assert_eq!((usual.connections, usual.per_address, usual.per_loopback), (384, 48, 288));
        let few = Limits::for_descriptors(Some(64));
        assert_eq!((few.connections, few.per_address, few.per_loopback), (16, 8, 12));
        for descriptors in [300, 512, 1024, 4096, 100_000] {
            let limits = Limits::for_descriptors(Some(descriptors));
            assert!(2 * limits.connections as u64 + 200 <= descriptors.max(300), "{descriptors}: {limits:?}");
            assert!(limits.per_address <= limits.per_loopback && limits.per_loopback < limits.connections);
        }
    }
}
