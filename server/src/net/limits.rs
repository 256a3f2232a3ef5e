//! How many connections there are at a time, and how long each may keep the server waiting.

use std::time::Duration;

/// Descriptors that stay free for the database, pictures, exports and logs.
const RESERVED: u64 = 256;
/// Connections at a time where descriptors do not limit them further. Each takes up to some 100 kB.
const MOST: u64 = 2048;
/// What is enough for one person at a local server, where descriptors are scarce.
const LEAST: u64 = 16;

/// The limits of the accept loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time, WebSockets included.
    pub connections: usize,
    /// Of those, the most from one IPv4 address or one IPv6 /64.
    pub per_address: usize,
    /// Of those, the most from this machine's loopback addresses: a proxy brings everyone from there.
    pub per_loopback: usize,
    /// For a request's header, from its first byte (of a new connection: from the start) to its last.
    pub header: Duration,
    /// Between an answer and the next request.
    pub idle: Duration,
    /// Without a single byte of a body, or without a single byte of an answer taken.
    pub stall: Duration,
    /// All waiting for one body or one answer's reader together, apart from what `rate` grants.
    pub patience: Duration,
    /// Bytes that grant one more second of waiting: a line slower than this is not alive.
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
    /// The limits for a process that may open so many descriptors; none where that is not known. A connection takes one,
    /// and the file that it is answered with another.
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

    /// How often a connection's waiting is looked at.
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
