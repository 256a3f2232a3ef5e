//! The numbers of events.
//!
//! One server counts by one. Servers that share a log give an entry of the log its number there, times 2^16, and count
//! between two entries what each publishes by itself: progress, and states that are made from marks. So every server
//! gives the same entry the same number, numbers grow, and a client can continue on another server. Browsers hold
//! numbers up to 2^53 exactly: enough for 4 years of 1000 entries a second.

/// Bits of a number that count what a server publishes by itself after an entry.
const OWN_BITS: u32 = 16;
const OWN: u64 = (1 << OWN_BITS) - 1;

/// From here on only events that must not be dropped get a number. In practice an entry comes long before.
const MOST_PROGRESS: u64 = OWN - 4096;

/// Up to here a client's number from another server is accepted.
const MOST_ACCEPTED: u64 = 1 << 15;

/// The number of the entry of the log that a number belongs to.
pub fn entry_of(seq: u64) -> u64 {
    seq >> OWN_BITS
}

/// The newest number, and how the next is made.
#[derive(Debug, Default)]
pub struct Numbers {
    newest: u64,
    is_shared: bool,
}

impl Numbers {
    /// The newest number.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Whether servers share the entries.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Continues after this entry of a shared log.
    pub fn begin_after(&mut self, entry: u64) {
        *self = Self { newest: entry << OWN_BITS, is_shared: true };
    }

    /// Continues with an entry of the log; without a number there, with the next number.
    pub fn advance(&mut self, entry: Option<u64>) -> u64 {
        self.newest = entry.map_or(self.newest + 1, |entry| (entry << OWN_BITS).max(self.newest + 1));
        self.newest
    }

    /// The number of an event that this server publishes by itself. None if it has to be dropped.
    pub fn next_own(&mut self, may_be_dropped: bool) -> Option<u64> {
        let most = if may_be_dropped { MOST_PROGRESS } else { OWN };
        if self.is_shared && self.newest & OWN >= most {
            return None;
        }
        self.newest += 1;
        Some(self.newest)
    }

    /// Continues after the number that a client got from another server after the same entry: smaller ones would seem old to
    /// it. Returns whether it is accepted.
    pub fn accept(&mut self, seq: u64) -> bool {
        let is_accepted = self.is_shared && entry_of(seq) == entry_of(self.newest) && seq & OWN <= MOST_ACCEPTED;
        if is_accepted {
            self.newest = self.newest.max(seq);
        }
        is_accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_counts_by_one() {
        let mut numbers = Numbers::default();
        let given = [numbers.advance(None), numbers.next_own(true).expect("never dropped"), numbers.advance(None)];
        assert_eq!(given, [1, 2, 3]);
        assert!(!numbers.accept(9), "there is no other server");
        numbers.newest = OWN;
        assert_eq!(numbers.next_own(true), Some(OWN + 1));
    }

    #[test]
    fn servers_of_one_log_number_its_entries_alike_and_count_their_own_in_between() {
        let mut numbers = Numbers::default();
        numbers.begin_after(7);
        assert_eq!(numbers.newest(), 7 << 16);
        assert_eq!(numbers.next_own(true), Some((7 << 16) + 1));
        assert_eq!(numbers.advance(Some(8)), 8 << 16);
        assert!(numbers.accept((8 << 16) + 500), "another server had published more");
        assert_eq!(numbers.next_own(true), Some((8 << 16) + 501));
        assert!(numbers.accept((8 << 16) + 3), "or less");
        assert_eq!(numbers.newest(), (8 << 16) + 501);
        assert!(!numbers.accept(9 << 16), "an entry that is not there yet");
        assert!(!numbers.accept((8 << 16) + OWN), "no server gives this number to a client that is honest");
        assert_eq!(entry_of((8 << 16) + 501), 8);
    }

    #[test]
    fn numbers_are_left_for_what_must_not_be_dropped() {
        let mut numbers = Numbers::default();
        numbers.begin_after(1);
        let progress = std::iter::from_fn(|| numbers.next_own(true)).count() as u64;
        assert_eq!(progress, MOST_PROGRESS);
        let others = std::iter::from_fn(|| numbers.next_own(false)).count() as u64;
        assert_eq!(others, 4096);
        assert_eq!(numbers.newest(), (1 << 16) + OWN);
        assert_eq!(numbers.advance(Some(2)), 2 << 16, "greater than all of them");
    }
}
