//! Rate limit for passwords and tokens. Each address makes one attempt at a time; a wrong one delays its next, and the number
//! of waiting attempts is limited. Hashing has a limit for all addresses together, with a priority queue: the address with the
//! fewest wrong attempts is next.

use crate::http::client::Client;
use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use store::SharedSessions;
use tokio::sync::{Semaphore, oneshot};

/// Delay after a wrong attempt before the same address's next one.
const PENALTY: Duration = Duration::from_secs(1);
/// Maximum number of waiting and running attempts of one address. Further ones get 429.
const PER_ADDRESS: usize = 8;
/// Number of attempts of all addresses from which each address may have only one.
const CROWD: usize = 512;
/// Passwords that are hashed concurrently. Each uses a core for tens of milliseconds and 19 MiB, so a flood of attempts takes
/// at most one core from the generations.
const HASHES: usize = 1;
/// Maximum queue for hashing, about 4 s. A full queue evicts the address with the most wrong attempts.
const WAITING: usize = 128;
/// Maximum number of remembered addresses, about 200 bytes each.
const REMEMBERED: usize = 10_000;
/// How long wrong attempts are remembered.
const FORGET: Duration = Duration::from_secs(15 * 60);

/// The rate limiter. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    state: Arc<Mutex<State>>,
    /// Where several servers count the attempts of an address together.
    shared: Option<SharedSessions>,
}

/// What is tried. Counted apart, so that a program with an old token does not delay sign-in from the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Password,
    Token,
}

/// Outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The password or token is right.
    Right,
    /// It is wrong.
    Wrong,
    /// It was not checked, because too many attempts are waiting.
    Crowded,
    /// It was not checked, because the database of several servers does not answer.
    Away,
}

type Key = (Kind, IpAddr);

#[derive(Debug, Default)]
struct State {
    seen: HashMap<Key, Seen>,
    /// Waiting and running attempts of all addresses.
    attempts: usize,
    hashing: usize,
    /// Queue for hashing, ordered by wrong attempts, then by arrival.
    waiting: BTreeMap<(u32, u64), oneshot::Sender<Hashing>>,
    arrivals: u64,
}

/// What is known about an address.
#[derive(Debug)]
struct Seen {
    wrong: u32,
    attempts: usize,
    turn: Arc<Semaphore>,
    last: Instant,
}

impl Gate {
    /// A limiter; with `shared`, the limit of an address holds for all servers together.
    pub fn new(shared: Option<SharedSessions>) -> Self {
        Self { shared, ..Self::default() }
    }

    /// Checks a password. Runs in its own task, so that a client that disconnects does not get its next attempt sooner.
    pub async fn attempt(&self, client: Client, check: impl FnOnce() -> bool + Send + 'static) -> Attempt {
        self.spawn((Kind::Password, client.network()), |gate, key| async move {
            let Some(hashing) = gate.hashing(key).await else { return Attempt::Crowded };
            let right = tokio::task::spawn_blocking(check).await.unwrap_or(false);
            drop(hashing);
            if right { Attempt::Right } else { Attempt::Wrong }
        })
        .await
    }

    /// Applies the delay of a wrong attempt to a token that was found to be wrong, which is cheap to check.
    pub async fn refuse_token(&self, client: Client) -> Attempt {
        self.spawn((Kind::Token, client.network()), |_, _| async { Attempt::Wrong }).await
    }

    async fn spawn<F>(&self, key: Key, attempt: impl FnOnce(Self, Key) -> F) -> Attempt
    where
        F: Future<Output = Attempt> + Send + 'static,
    {
        let Some((place, turn)) = self.enter(key) else { return Attempt::Crowded };
        let (gate, attempt) = (self.clone(), attempt(self.clone(), key));
        let attempt = tokio::spawn(async move {
            let _place = place;
            let Ok(_turn) = turn.acquire_owned().await else { return Attempt::Crowded };
            let outcome = match gate.wait_for_others(key).await {
                Ok(()) => attempt.await,
                Err(refused) => refused,
            };
            gate.remember(key, outcome);
            if let (Attempt::Right, Some(shared)) = (outcome, &gate.shared) {
                // Otherwise the address waits for a second.
                shared.forgive(&address(key)).await.ok();
            }
            if matches!(outcome, Attempt::Wrong | Attempt::Away) {
                tokio::time::sleep(PENALTY).await;
            }
            outcome
        });
        attempt.await.unwrap_or(Attempt::Wrong)
    }

    /// Waits for this address's turn among all servers.
    async fn wait_for_others(&self, key: Key) -> Result<(), Attempt> {
        let Some(shared) = &self.shared else { return Ok(()) };
        match shared.take_turn(&address(key), PENALTY).await {
            Ok(wait) => tokio::time::sleep(wait).await,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "an attempt to sign in cannot be counted");
                return Err(Attempt::Away);
            }
        }
        Ok(())
    }

    /// Registers an attempt of this address. Returns its place and the semaphore to wait on, or `None` at the limit.
    fn enter(&self, key: Key) -> Option<(Place, Arc<Semaphore>)> {
        let now = Instant::now();
        let mut state = self.lock();
        let most = if state.attempts < CROWD { PER_ADDRESS } else { 1 };
        state.make_room(now);
        let seen = state.seen.entry(key).or_insert_with(|| Seen {
            wrong: 0,
            attempts: 0,
            turn: Arc::new(Semaphore::new(1)),
            last: now,
        });
        if seen.attempts >= most {
            return None;
        }
        if now.duration_since(seen.last) >= FORGET {
            seen.wrong = 0;
        }
        seen.attempts += 1;
        seen.last = now;
        let turn = Arc::clone(&seen.turn);
        state.attempts += 1;
        Some((Place { gate: self.clone(), key }, turn))
    }

    fn remember(&self, key: Key, outcome: Attempt) {
        if let Some(seen) = self.lock().seen.get_mut(&key) {
            match outcome {
                Attempt::Right => seen.wrong = 0,
                Attempt::Wrong => seen.wrong = seen.wrong.saturating_add(1),
                Attempt::Crowded | Attempt::Away => {}
            }
        }
    }

    /// Waits for a slot to hash in. `None` if addresses with fewer wrong attempts fill the queue.
    async fn hashing(&self, key: Key) -> Option<Hashing> {
        let called = {
            let mut state = self.lock();
            if state.hashing < HASHES {
                state.hashing += 1;
                return Some(Hashing(self.clone()));
            }
            let wrong = state.seen.get(&key).map_or(0, |seen| seen.wrong);
            if state.waiting.len() >= WAITING {
                let last = state.waiting.last_entry().filter(|last| last.key().0 > wrong)?;
                // Dropping the sender wakes its receiver with an error.
                last.remove();
            }
            let (call, called) = oneshot::channel();
            let arrival = state.arrivals;
            state.arrivals += 1;
            state.waiting.insert((wrong, arrival), call);
            called
        };
        called.await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address as several servers count it.
fn address((kind, address): Key) -> String {
    format!("{kind:?} {address}")
}

impl State {
    /// Forgets addresses without an open attempt: those last seen long ago, and if that is not enough the older half.
    fn make_room(&mut self, now: Instant) {
        if self.seen.len() < REMEMBERED {
            return;
        }
        self.seen.retain(|_, seen| seen.attempts > 0 || now.duration_since(seen.last) < FORGET);
        if self.seen.len() < REMEMBERED {
            return;
        }
        let mut times: Vec<_> = self.seen.values().map(|seen| seen.last).collect();
        let half = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(half);
        let middle = *middle;
        self.seen.retain(|_, seen| seen.attempts > 0 || seen.last > middle);
    }
}

/// A registered attempt, removed on drop.
struct Place {
    gate: Gate,
    key: Key,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.attempts -= 1;
        if let Some(seen) = state.seen.get_mut(&self.key) {
            seen.attempts -= 1;
            seen.last = Instant::now();
        }
    }
}

/// A slot to hash in. Dropping it passes it to the next in the queue.
#[derive(Debug)]
struct Hashing(Gate);

impl Drop for Hashing {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.lock();
            let next = state.waiting.pop_first();
            if next.is_none() {
                state.hashing -= 1;
            }
            next
        };
        if let Some((_, call)) = next {
            // If the receiver is gone, `send` returns the slot, and dropping it passes it on.
            drop(call.send(Self(self.0.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        net::Ipv4Addr,
        sync::atomic::{AtomicUsize, Ordering},
    };

    fn from(address: &str) -> Client {
        Client::from(address.parse::<IpAddr>().expect("an address"))
    }

    async fn wrong(gate: Gate, client: Client) -> Attempt {
        gate.attempt(client, || false).await
    }

    #[tokio::test]
    async fn one_address_is_slow_and_no_other_waits_for_it() {
        let gate = Gate::default();
        let began = Instant::now();
        let flood: Vec<_> = (0..50).map(|_| tokio::spawn(wrong(gate.clone(), from("203.0.113.7")))).collect();
        tokio::time::sleep(Duration::from_millis(50)).await;
        for other in ["203.0.113.8", "2001:db8::1"] {
            for _ in 0..20 {
                assert_eq!(gate.attempt(from(other), || true).await, Attempt::Right, "{other}");
            }
        }
        assert!(began.elapsed() < 5 * PENALTY, "{:?}", began.elapsed());
        assert_eq!(gate.attempt(from("203.0.113.7"), || true).await, Attempt::Crowded, "its own share is used up");
        let mut outcomes = Vec::new();
        for attempt in flood {
            outcomes.push(attempt.await.expect("no panic"));
        }
        let tried = outcomes.iter().filter(|outcome| **outcome == Attempt::Wrong).count();
        assert_eq!(tried, PER_ADDRESS, "the others were told to come back");
        assert!(began.elapsed() >= PENALTY * PER_ADDRESS as u32, "a second each: {:?}", began.elapsed());
        assert_eq!(gate.lock().attempts, 0);
    }

    #[tokio::test]
    async fn addresses_of_one_ipv6_network_share() {
        let gate = Gate::default();
        let flood: Vec<_> = (0..PER_ADDRESS)
            .map(|number| tokio::spawn(wrong(gate.clone(), from(&format!("2001:db8:1:2::{number:x}")))))
            .collect();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(gate.attempt(from("2001:db8:1:2:ffff::1"), || true).await, Attempt::Crowded);
        assert_eq!(gate.attempt(from("2001:db8:1:3::1"), || true).await, Attempt::Right);
        flood.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test]
    async fn a_flood_from_everywhere_leaves_the_right_password_a_short_wait() {
        let gate = Gate::default();
        let (hashing, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let try_from = |number: u32| {
            let (gate, hashing, most) = (gate.clone(), Arc::clone(&hashing), Arc::clone(&most));
            let check = move || {
                most.fetch_max(hashing.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(5));
                hashing.fetch_sub(1, Ordering::SeqCst);
                false
            };
            let client = Client::from(IpAddr::from(Ipv4Addr::from_bits(0xCB00_0000 + number)));
            tokio::spawn(async move { gate.attempt(client, check).await });
        };
        // Each of them has been wrong once.
        for batch in 0..4 {
            (0..100).for_each(|number| try_from(100 * batch + number));
            tokio::time::sleep(Duration::from_millis(50)).await;
            while gate.lock().hashing > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        tokio::time::sleep(PENALTY).await;
        for _ in 0..5 {
            (0..400).for_each(try_from);
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(gate.lock().waiting.len() > WAITING / 2, "addresses wait");
            let began = Instant::now();
            assert_eq!(gate.attempt(from("198.51.100.1"), || true).await, Attempt::Right);
            assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
        }
        assert!(most.load(Ordering::SeqCst) <= HASHES, "{most:?} at a time");
    }

    #[tokio::test]
    async fn a_wrong_token_is_slow_and_holds_up_no_password() {
        let gate = Gate::default();
        let began = Instant::now();
        assert_eq!(gate.refuse_token(from("203.0.113.7")).await, Attempt::Wrong);
        assert!(began.elapsed() >= PENALTY);
        let attempts: Vec<_> = (0..PER_ADDRESS)
            .map(|_| {
                let gate = gate.clone();
                tokio::spawn(async move { gate.refuse_token(from("203.0.113.7")).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(gate.refuse_token(from("203.0.113.7")).await, Attempt::Crowded);
        assert_eq!(gate.attempt(from("203.0.113.7"), || true).await, Attempt::Right);
        attempts.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[test]
    fn memory_has_a_bound() {
        let gate = Gate::default();
        let mut kept = Vec::new();
        for number in 0..(3 * REMEMBERED as u32) {
            let entered = gate.enter((Kind::Password, Ipv4Addr::from_bits(number).into())).expect("its first attempt");
            if number < 10 {
                kept.push(entered);
            }
        }
        let state = gate.lock();
        assert!(state.seen.len() <= REMEMBERED, "{}", state.seen.len());
        assert_eq!(state.attempts, 10);
        assert!((0..10).all(|number| state.seen.contains_key(&(Kind::Password, Ipv4Addr::from_bits(number).into()))));
        drop(state);
    }
}
