//! Writing a trace.

use crate::{
    Header, State,
    record::{HEAD_BYTES, MAGIC, VERSION, kind, record},
};
use std::io::{self, Write};

/// Appends records to a trace. Each is written with one call, so that a process that is killed cuts the last one at most.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    bytes: u64,
}

impl<W: Write> Writer<W> {
    /// Starts a trace in an empty file.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn start(mut to: W, header: &Header) -> io::Result<Self> {
        let json = serde_json::to_vec(header)?;
        let mut start = [&MAGIC[..], &VERSION.to_le_bytes()].concat();
        start.extend(record(kind::HEADER, 0, &json).ok_or(io::ErrorKind::InvalidInput)?);
        to.write_all(&start)?;
        Ok(Self { to, bytes: start.len() as u64 })
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends the picture of a step's estimate, counted from 1: a PNG.
    ///
    /// # Errors
    /// A file that cannot be written. Nothing may be appended afterwards, because the record may be cut.
    pub fn picture(&mut self, step: u32, png: &[u8]) -> io::Result<()> {
        self.append(kind::PICTURE, step, png)
    }

    /// Appends the state after `step` steps.
    ///
    /// # Errors
    /// As [`Writer::picture`].
    pub fn state(&mut self, step: u32, state: &State) -> io::Result<()> {
        self.append(kind::STATE, step, &state.to_bytes())
    }

    /// Bytes that a state takes in the file.
    pub fn state_bytes(state: &State) -> u64 {
        (HEAD_BYTES + state.to_bytes().len()) as u64
    }

    fn append(&mut self, kind: u8, step: u32, payload: &[u8]) -> io::Result<()> {
        let record = record(kind, step, payload).ok_or(io::ErrorKind::InvalidInput)?;
        self.to.write_all(&record)?;
        self.bytes += record.len() as u64;
        Ok(())
    }
}
