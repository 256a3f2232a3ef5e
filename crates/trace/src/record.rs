//! Records: a checksummed head, and the payload after it.

/// The first bytes of a file.
pub(crate) const MAGIC: &[u8; 8] = b"EMBTRACE";
/// Version of the format.
pub(crate) const VERSION: u32 = 1;
/// Bytes of a record's head.
pub(crate) const HEAD_BYTES: usize = 17;
/// Most bytes of a header's JSON: 1001 noise levels take about 12 kB.
pub(crate) const MOST_HEADER_BYTES: u32 = 1 << 16;
/// Most bytes of a picture. One of 512 x 512 pixels takes less than 1 MB.
pub(crate) const MOST_PICTURE_BYTES: u32 = 1 << 22;

/// The kinds of records.
pub(crate) mod kind {
    pub(crate) const HEADER: u8 = 0;
    pub(crate) const PICTURE: u8 = 1;
    pub(crate) const STATE: u8 = 2;
}

/// A record's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: u8,
    pub(crate) step: u32,
    pub(crate) length: u32,
    /// CRC-32 of the payload.
    pub(crate) checksum: u32,
}

impl Head {
    pub(crate) fn to_bytes(self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[0] = self.kind;
        bytes[1..5].copy_from_slice(&self.step.to_le_bytes());
        bytes[5..9].copy_from_slice(&self.length.to_le_bytes());
        bytes[9..13].copy_from_slice(&self.checksum.to_le_bytes());
        let own = crc32fast::hash(&bytes[..13]);
        bytes[13..].copy_from_slice(&own.to_le_bytes());
        bytes
    }

    /// None if the head's own checksum does not match.
    pub(crate) fn from_bytes(bytes: [u8; HEAD_BYTES]) -> Option<Self> {
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let is_whole = crc32fast::hash(&bytes[..13]) == number(13);
        is_whole.then(|| Self { kind: bytes[0], step: number(1), length: number(5), checksum: number(9) })
    }

    /// Whether the payload's checksum is the head's.
    pub(crate) fn matches(self, payload: &[u8]) -> bool {
        crc32fast::hash(payload) == self.checksum
    }
}

/// A record's bytes.
pub(crate) fn record(kind: u8, step: u32, payload: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(payload.len()).ok()?;
    let head = Head { kind, step, length, checksum: crc32fast::hash(payload) };
    Some([&head.to_bytes(), payload].concat())
}
