//! Open connections, counted in total and per address. At a limit, a new connection evicts the one that has kept the server
//! waiting longest.

use super::{limits::Limits, pace::Pace};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// A connection that the server has waited for less than this cannot be evicted.
const FRESH: Duration = Duration::from_millis(500);

/// At most 1/n of an address's connections may be WebSockets, so that some remain for requests.
const SOCKETS_SHARE: usize = 2;

/// All open connections.
#[derive(Debug)]
pub(super) struct Registry {
    limits: Limits,
    table: Mutex<Table>,
    /// Total of closed connections.
    ended: AtomicU64,
    /// Total size of the request bodies received on them, bytes.
    body_bytes: AtomicU64,
    /// Total of evicted and refused connections.
    crowded_out: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Open>,
    groups: HashMap<Group, Count>,
}

#[derive(Debug)]
struct Open {
    group: Group,
    pace: Arc<Pace>,
    evicted: CancellationToken,
}

#[derive(Debug, Default)]
struct Count {
    connections: usize,
    sockets: usize,
}

/// Addresses that share one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Group {
    Loopback,
    Address(IpAddr),
    /// An IPv6 /64, which providers assign to one customer.
    Network([u8; 8]),
}

impl Group {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            address if address.is_loopback() => Self::Loopback,
            address @ IpAddr::V4(_) => Self::Address(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::Network([a, b, c, d, e, f, g, h])
            }
        }
    }

    fn share(self, limits: &Limits) -> usize {
        match self {
            Self::Loopback => limits.per_loopback,
            Self::Address(_) | Self::Network(_) => limits.per_address,
        }
    }
}

impl Registry {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            table: Mutex::default(),
            ended: AtomicU64::new(0),
            body_bytes: AtomicU64::new(0),
            crowded_out: AtomicU64::new(0),
        }
    }

    /// Registers a new connection. Returns its place and a token that is cancelled on eviction, or `None` at a limit if no
    /// connection can be evicted.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr, pace: &Arc<Pace>) -> Option<(Place, CancellationToken)> {
        let group = Group::of(address);
        let mut table = self.lock();
        let of_group = table.groups.get(&group).map_or(0, |count| count.connections);
        if of_group >= group.share(&self.limits) {
            self.crowded_out.fetch_add(1, Ordering::Relaxed);
            table.evict(|open| open.group == group)?;
        } else if table.open.len() >= self.limits.connections {
            self.crowded_out.fetch_add(1, Ordering::Relaxed);
            table.evict(|_| true)?;
        }
        let (id, evicted) = (table.next, CancellationToken::new());
        table.next += 1;
        table.groups.entry(group).or_default().connections += 1;
        table.open.insert(id, Open { group, pace: Arc::clone(pace), evicted: evicted.clone() });
        Some((Place { id, group, registry: Arc::clone(self) }, evicted))
    }

    /// Evicts the connection that has kept the server waiting longest.
    pub(super) fn make_room(&self) {
        _ = self.lock().evict(|_| true);
    }

    /// Open connections.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// Totals since the start: closed connections, bytes of their request bodies, and evicted or refused connections.
    pub(super) fn totals(&self) -> (u64, u64, u64) {
        let [ended, body_bytes, crowded_out] =
            [&self.ended, &self.body_bytes, &self.crowded_out].map(|count| count.load(Ordering::Relaxed));
        (ended, body_bytes, crowded_out)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn evict(&mut self, may_go: impl Fn(&Open) -> bool) -> Option<()> {
        let now = Instant::now();
        let waiting = self.open.iter().filter(|(_, open)| may_go(open)).filter_map(|(id, open)| {
            let since = open.pace.waits_since()?;
            (now.saturating_duration_since(since) >= FRESH).then_some((since, *id))
        });
        let (_, id) = waiting.min()?;
        self.remove(id)?.evicted.cancel();
        Some(())
    }

    fn remove(&mut self, id: u64) -> Option<Open> {
        let open = self.open.remove(&id)?;
        if let Some(count) = self.groups.get_mut(&open.group) {
            count.connections = count.connections.saturating_sub(1);
            if count.connections == 0 && count.sockets == 0 {
                self.groups.remove(&open.group);
            }
        }
        Some(open)
    }
}

/// One connection's place, freed on drop.
#[derive(Debug)]
pub(super) struct Place {
    id: u64,
    group: Group,
    registry: Arc<Registry>,
}

impl Place {
    /// Handle for this connection's requests, with which they become a WebSocket.
    pub(super) fn connection(&self, pace: &Arc<Pace>) -> Connection {
        Connection { group: self.group, pace: Arc::clone(pace), registry: Arc::clone(&self.registry) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let removed = self.registry.lock().remove(self.id);
        let bytes = removed.map_or(0, |open| open.pace.body_bytes());
        self.registry.body_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.registry.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// The connection on which a request was received.
#[derive(Clone, Debug)]
pub struct Connection {
    group: Group,
    pace: Arc<Pace>,
    registry: Arc<Registry>,
}

impl Connection {
    /// Turns the connection into a WebSocket, which has time limits of its own. `None` at the address's limit of WebSockets.
    pub fn become_socket(&self) -> Option<SocketPlace> {
        let mut table = self.registry.lock();
        let count = table.groups.entry(self.group).or_default();
        if count.sockets >= self.group.share(&self.registry.limits) / SOCKETS_SHARE {
            return None;
        }
        count.sockets += 1;
        drop(table);
        self.pace.become_socket();
        Some(SocketPlace { group: self.group, registry: Arc::clone(&self.registry) })
    }
}

/// A WebSocket's place, freed on drop.
#[derive(Debug)]
pub struct SocketPlace {
    group: Group,
    registry: Arc<Registry>,
}

impl Drop for SocketPlace {
    fn drop(&mut self) {
        let mut table = self.registry.lock();
        if let Some(count) = table.groups.get_mut(&self.group) {
            count.sockets = count.sockets.saturating_sub(1);
            if count.connections == 0 && count.sockets == 0 {
                table.groups.remove(&self.group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(connections: usize, per_address: usize, per_loopback: usize) -> Arc<Registry> {
        Arc::new(Registry::new(Limits { connections, per_address, per_loopback, ..Limits::default() }))
    }

    fn admit(registry: &Arc<Registry>, address: &str) -> Option<(Place, CancellationToken, Arc<Pace>)> {
        let pace = Arc::new(Pace::new());
        let (place, evicted) = registry.admit(address.parse().expect("an address"), &pace)?;
        Some((place, evicted, pace))
    }

    #[test]
    fn an_address_has_its_share_and_a_network_is_one_address() {
        let registry = registry(100, 2, 4);
        for addresses in [
            ["192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1"],
            ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:ffff:ffff:ffff"],
        ] {
            let kept: Vec<_> = addresses.iter().map(|address| admit(&registry, address)).collect();
            assert!(kept[0].is_some() && kept[1].is_some() && kept[2].is_none(), "{addresses:?}");
        }
        let others = ["192.0.2.2", "2001:db8:0:1::1", "127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"];
        let kept: Vec<_> = others.iter().map(|address| admit(&registry, address).expect("room")).collect();
        assert!(admit(&registry, "127.0.0.1").is_none(), "loopback has a share as well");
        assert_eq!(registry.len(), 6);
        drop(kept);
        assert_eq!((registry.len(), registry.lock().groups.len()), (0, 0));
        assert_eq!(registry.totals(), (10, 0, 3));
    }

    #[test]
    fn who_keeps_the_server_waiting_makes_room_and_who_works_does_not() {
        let registry = registry(3, 3, 3);
        let (_a, evicted_a, at_work) = admit(&registry, "192.0.2.1").expect("room");
        at_work.begin_request();
        let (_b, evicted_b, _) = admit(&registry, "192.0.2.1").expect("room");
        std::thread::sleep(Duration::from_millis(20));
        let (_c, evicted_c, _) = admit(&registry, "192.0.2.1").expect("room");
        assert!(admit(&registry, "192.0.2.1").is_none() && admit(&registry, "192.0.2.9").is_none(), "all are fresh");
        std::thread::sleep(FRESH);
        let (_d, evicted_d, _) = admit(&registry, "192.0.2.1").expect("room is made");
        assert!(evicted_b.is_cancelled(), "the one that waits the longest");
        assert!(!evicted_a.is_cancelled() && !evicted_c.is_cancelled() && !evicted_d.is_cancelled());
        let _e = admit(&registry, "192.0.2.9").expect("room is made for another address too");
        assert!(evicted_c.is_cancelled() && !evicted_a.is_cancelled());
        assert_eq!(registry.len(), 3);
    }

    #[test]
    fn half_of_a_share_may_be_sockets() {
        let registry = registry(100, 4, 8);
        let open: Vec<_> = (0..4).map(|_| admit(&registry, "192.0.2.1").expect("room")).collect();
        let connections: Vec<_> = open.iter().map(|(place, _, pace)| place.connection(pace)).collect();
        let first = connections[0].become_socket().expect("one");
        let _second = connections[1].become_socket().expect("two");
        assert!(connections[2].become_socket().is_none());
        drop(first);
        assert!(connections[2].become_socket().is_some());
    }
}
