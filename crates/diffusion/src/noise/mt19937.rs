//! The 32-bit Mersenne Twister, as used by PyTorch's CPU generator.

const N: usize = 624;
const M: usize = 397;

/// mt19937 (Matsumoto and Nishimura, 1998).
#[derive(Clone)]
pub(super) struct Mt19937 {
    state: [u32; N],
    next: usize,
    /// Number of twists.
    twists: u64,
}

impl Mt19937 {
    /// Seeds the state with Knuth's linear congruential rule.
    pub(super) fn new(seed: u32) -> Self {
        let mut state = [0; N];
        let mut word = seed;
        for (i, slot) in (0_u32..).zip(state.iter_mut()) {
            if i > 0 {
                word = 1_812_433_253_u32.wrapping_mul(word ^ (word >> 30)).wrapping_add(i);
            }
            *slot = word;
        }
        Self { state, next: N, twists: 0 }
    }

    /// Number of words that were drawn since the seed.
    pub(super) fn drawn(&self) -> u64 {
        self.twists * N as u64 + self.next as u64 - N as u64
    }

    /// Skips `words` words, as many calls of [`Mt19937::next_u32`] would.
    pub(super) fn skip(&mut self, words: u64) {
        let mut left = words;
        while left > 0 {
            if self.next == N {
                self.twist();
            }
            let here = left.min((N - self.next) as u64);
            self.next += here as usize;
            left -= here;
        }
    }

    /// The next 32 random bits.
    pub(super) fn next_u32(&mut self) -> u32 {
        if self.next == N {
            self.twist();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        for i in 0..N {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ odd;
        }
        self.next = 0;
        self.twists += 1;
    }
}
