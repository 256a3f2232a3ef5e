//! The segments of a JPEG, read to detect whether the picture is complete, which the decoder does not report.
//!
//! A decoder fills missing parts with grey. A truncated file has no end marker, or one added after the cut; its last
//! scan is short, or scans are missing. ITU-T T.81, annex B.

/// Bytes of ones after the last scan: a refining scan reads a bit for each nonzero coefficient before it reads a code.
const GUARD_BYTES: usize = 4096;

/// A scan: its components, and which part of their coefficients it contains.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Scan {
    components: Vec<u8>,
    /// First and last coefficient of the block.
    band: (u8, u8),
    /// Low bits that are left for later scans.
    low_bits: u8,
}

/// The information in the segments.
#[derive(Clone, Debug, Default)]
pub struct Segments {
    /// Width and height in pixels; `None` before the frame header.
    pub size: Option<(u32, u32)>,
    /// Whether coefficients are spread over several scans.
    pub is_progressive: bool,
    /// Number of parts of a colour profile.
    pub profile_parts: usize,
    /// Ids of the components.
    components: Vec<u8>,
    scans: Vec<Scan>,
    /// Offset of the end of the last scan's data.
    scan_end: usize,
    /// Offset of the end marker.
    end: Option<usize>,
}

/// Whether a marker has no length: TEM, restarts, start and end.
fn is_alone(marker: u8) -> bool {
    matches!(marker, 0x01 | 0xD0..=0xD9)
}

/// Whether a marker is a frame header: all in the range except those of tables.
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC)
}

impl Segments {
    /// Reads the segments up to the first scan.
    pub fn head(file: &[u8]) -> Self {
        Self::walk(file, true)
    }

    /// Reads all segments of the first picture in the file; others may follow it.
    pub fn read(file: &[u8]) -> Self {
        Self::walk(file, false)
    }

    fn walk(file: &[u8], only_head: bool) -> Self {
        let mut found = Self::default();
        let mut at = 2;
        while let Some((marker, body)) = next_marker(file, at) {
            at = body;
            if marker == 0xD9 {
                found.end = Some(body - 2);
                break;
            }
            if is_alone(marker) {
                continue;
            }
            let length = file.get(body..).and_then(|rest| rest.first_chunk::<2>());
            let Some(length) = length.map(|length| usize::from(u16::from_be_bytes(*length))) else { break };
            let Some(segment) = file.get(body + 2..body + length.max(2)) else { break };
            at = body + length.max(2);
            match marker {
                0xE2 if segment.starts_with(b"ICC_PROFILE\0") => found.profile_parts += 1,
                0xDA if only_head => break,
                0xDA => {
                    found.scans.extend(scan(segment));
                    at = values_end(file, at);
                    found.scan_end = at;
                }
                _ if is_frame(marker) => found.frame(marker, segment),
                _ => {}
            }
        }
        found
    }

    fn frame(&mut self, marker: u8, segment: &[u8]) {
        self.is_progressive = matches!(marker, 0xC2 | 0xC6 | 0xCA | 0xCE);
        let Some([_, h0, h1, w0, w1, count]) = segment.first_chunk::<6>() else { return };
        self.size = Some((u16::from_be_bytes([*w0, *w1]).into(), u16::from_be_bytes([*h0, *h1]).into()));
        let parts = segment[6..].chunks_exact(3).take(usize::from(*count));
        self.components = parts.map(|part| part[0]).collect();
    }

    /// Number of colour components.
    pub fn component_count(&self) -> usize {
        self.components.len()
    }

    /// Whether scans are missing: each component needs its 64 coefficients to their last bit.
    pub fn misses_scans(&self) -> bool {
        self.components.iter().any(|id| {
            let of_it: Vec<&Scan> = self.scans.iter().filter(|scan| scan.components.contains(id)).collect();
            let is_whole =
                |place: u8| of_it.iter().any(|scan| (scan.band.0..=scan.band.1).contains(&place) && scan.low_bits == 0);
            match self.is_progressive {
                true => !(0..64).all(is_whole),
                false => of_it.is_empty(),
            }
        })
    }

    /// The data to decode: the picture to the end of its last scan, then ones, then an end marker. When a decoder of a
    /// short scan meets a marker it fills the rest with zeros. With the guard it meets ones first, and no code consists
    /// of ones (T.81, C.2), so it fails. A decoder that has all its data goes on to the marker.
    pub fn with_guard(&self, file: &[u8]) -> Vec<u8> {
        let picture = file.get(..self.scan_end).unwrap_or(file);
        let mut guarded = Vec::with_capacity(picture.len() + 2 * GUARD_BYTES + 2);
        guarded.extend_from_slice(picture);
        (0..GUARD_BYTES).for_each(|_| guarded.extend([0xFF, 0]));
        guarded.extend([0xFF, 0xD9]);
        guarded
    }

    /// Whether the file is truncated: no end marker, and filled up with a single value or ending inside a segment.
    pub fn is_cut(&self, file: &[u8]) -> bool {
        const FILLED: usize = 16;
        let is_filled = || file.last_chunk::<FILLED>().is_some_and(|last| last.iter().all(|byte| *byte == last[0]));
        self.end.is_none() && (self.scan_end < file.len() || is_filled())
    }
}

/// The next marker from `from` on, and the offset after it.
fn next_marker(file: &[u8], from: usize) -> Option<(u8, usize)> {
    let mut at = from + file.get(from..)?.iter().position(|byte| *byte == 0xFF)?;
    loop {
        match *file.get(at + 1)? {
            // Fill bytes, of which there may be any number.
            0xFF => at += 1,
            0 => at = at + 2 + file.get(at + 2..)?.iter().position(|byte| *byte == 0xFF)?,
            marker => return Some((marker, at + 2)),
        }
    }
}

/// The end of a scan's data: the next marker that is not a restart, or the end of the file.
fn values_end(file: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        match next_marker(file, at) {
            Some((0xD0..=0xD7, body)) => at = body,
            Some((_, body)) => {
                let mut end = body - 2;
                while end > from && file[end - 1] == 0xFF {
                    end -= 1;
                }
                return end;
            }
            None => return file.len(),
        }
    }
}

fn scan(segment: &[u8]) -> Option<Scan> {
    let (count, rest) = segment.split_first()?;
    let (parts, rest) = rest.split_at_checked(2 * usize::from(*count))?;
    let [first, last, bits] = *rest.first_chunk::<3>()?;
    let components = parts.chunks_exact(2).map(|part| part[0]).collect();
    Some(Scan { components, band: (first, last), low_bits: bits & 15 })
}
