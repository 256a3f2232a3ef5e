//! Reading a trace.

use crate::{
    Error, Header, State,
    record::{HEAD_BYTES, Head, MAGIC, MOST_HEADER_BYTES, MOST_PICTURE_BYTES, VERSION, kind},
};
use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom},
};

/// Most records that are listed: twice as many as the longest run makes.
const MOST_RECORDS: usize = 4096;

/// A trace that is open for reading. Only the heads of its records are read when it is opened.
#[derive(Debug)]
pub struct Trace<R> {
    from: R,
    header: Header,
    /// By step, with the place of the payload.
    pictures: BTreeMap<u32, (Head, u64)>,
    states: BTreeMap<u32, (Head, u64)>,
    is_cut: bool,
}

impl<R: Read + Seek> Trace<R> {
    /// Opens a trace. A cut or damaged end is left out.
    ///
    /// # Errors
    /// A file that cannot be read, is no trace, has another format, or whose header is cut or damaged.
    pub fn read(mut from: R) -> Result<Self, Error> {
        let length = from.seek(SeekFrom::End(0))?;
        from.rewind()?;
        let mut start = [0; 12];
        from.read_exact(&mut start).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::NotATrace,
            _ => Error::Io(error),
        })?;
        let (magic, version) = start.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(Error::NotATrace);
        }
        let found = version.try_into().map_or(0, u32::from_le_bytes);
        if found != VERSION {
            return Err(Error::Version { found });
        }
        let mut at = start.len() as u64;
        let head = head(&mut from, at, length)?.filter(|head| head.kind == kind::HEADER);
        let head = head.filter(|head| head.length <= MOST_HEADER_BYTES);
        let head = head.ok_or_else(|| Error::Header("the first record is not one".to_owned()))?;
        at += HEAD_BYTES as u64;
        let header = Header::from_json(&payload(&mut from, head, at)?)?;
        at += u64::from(head.length);

        let most_state = State::most_bytes(header.values());
        let (pictures, states) = Default::default();
        let mut trace = Self { from, header, pictures, states, is_cut: false };
        while at < length && trace.pictures.len() + trace.states.len() < MOST_RECORDS {
            let Some(head) = self::head(&mut trace.from, at, length)? else {
                trace.is_cut = true;
                break;
            };
            at += HEAD_BYTES as u64;
            let (list, most) = match head.kind {
                kind::PICTURE => (&mut trace.pictures, MOST_PICTURE_BYTES as usize),
                kind::STATE => (&mut trace.states, most_state),
                _ => {
                    at += u64::from(head.length);
                    continue;
                }
            };
            let is_next = list.last_key_value().is_none_or(|(last, _)| *last < head.step);
            if !is_next || head.step > trace.header.steps() || head.length as usize > most {
                trace.is_cut = true;
                break;
            }
            list.insert(head.step, (head, at));
            at += u64::from(head.length);
        }
        Ok(trace)
    }

    /// What it is of.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether the file goes on behind the last record that was found: it was cut or damaged.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Steps with a picture, counted from 1, and the bytes of each.
    pub fn pictures(&self) -> impl Iterator<Item = (u32, u64)> {
        self.pictures.iter().map(|(step, (head, _))| (*step, head.length.into()))
    }

    /// Numbers of steps after which there is a state, and the bytes of each.
    pub fn states(&self) -> impl Iterator<Item = (u32, u64)> {
        self.states.iter().map(|(step, (head, _))| (*step, head.length.into()))
    }

    /// The picture of a step's estimate, a PNG; none if there is none.
    ///
    /// # Errors
    /// A file that cannot be read, or a damaged record.
    pub fn picture(&mut self, step: u32) -> Result<Option<Vec<u8>>, Error> {
        let Some((head, at)) = self.pictures.get(&step).copied() else { return Ok(None) };
        payload(&mut self.from, head, at).map(Some)
    }

    /// The state after `step` steps; none if there is none.
    ///
    /// # Errors
    /// As [`Trace::picture`].
    pub fn state(&mut self, step: u32) -> Result<Option<State>, Error> {
        let Some((head, at)) = self.states.get(&step).copied() else { return Ok(None) };
        let bytes = payload(&mut self.from, head, at)?;
        State::from_bytes(&bytes, step, self.header.values()).map(Some)
    }
}

/// The head of the record at `at`; none if it or its payload is cut, or its checksum does not match.
fn head(from: &mut (impl Read + Seek), at: u64, length: u64) -> Result<Option<Head>, Error> {
    let left = length.saturating_sub(at);
    if left < HEAD_BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = [0; HEAD_BYTES];
    from.seek(SeekFrom::Start(at))?;
    from.read_exact(&mut bytes)?;
    Ok(Head::from_bytes(bytes).filter(|head| u64::from(head.length) <= left - HEAD_BYTES as u64))
}

/// The checked payload of a record whose length was compared with the file's.
fn payload(from: &mut (impl Read + Seek), head: Head, at: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; head.length as usize];
    from.seek(SeekFrom::Start(at))?;
    from.read_exact(&mut bytes)?;
    match head.matches(&bytes) {
        true => Ok(bytes),
        false => Err(Error::Damaged { step: head.step, what: "its checksum is another" }),
    }
}
