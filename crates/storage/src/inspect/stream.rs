//! Inspecting bytes as they pass, with flat memory: of what a format keeps further back, the part that matters is caught.

use std::ops::Range;

use super::{DiskFormat, HEAD_BYTES, Inspection, Refusal, detect, inspect, sized, vhd, vhdx};
use crate::inspect::Content;

/// A stretch of the file that is to be kept.
#[derive(Debug)]
struct Caught {
    range: Range<u64>,
    bytes: Vec<u8>,
}

impl Caught {
    fn new(range: Range<u64>) -> Caught {
        Caught { range, bytes: Vec::new() }
    }

    /// Takes what of this chunk, which begins at `at`, lies in the stretch.
    fn take(&mut self, at: u64, chunk: &[u8]) {
        let next = self.range.start + self.bytes.len() as u64;
        let end = at + chunk.len() as u64;
        if next < at || next >= end || next >= self.range.end {
            return;
        }
        let slice = |offset: u64| usize::try_from(offset - at).unwrap_or(chunk.len()).min(chunk.len());
        self.bytes.extend_from_slice(&chunk[slice(next)..slice(self.range.end.min(end))]);
    }
}

/// Sees all bytes of an image once, in order.
#[derive(Debug)]
pub struct Inspector {
    claimed: DiskFormat,
    length: u64,
    head: Caught,
    /// The last bytes so far.
    tail: Vec<u8>,
    table: Caught,
    metadata: Option<Caught>,
}

impl Inspector {
    /// For bytes that are said to be this.
    pub fn new(claimed: DiskFormat) -> Inspector {
        Inspector {
            claimed,
            length: 0,
            head: Caught::new(0..HEAD_BYTES as u64),
            tail: Vec::new(),
            table: Caught::new(vhdx::TABLE),
            metadata: None,
        }
    }

    /// How many bytes have passed.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Takes the next bytes. Fails as soon as they are refused whatever may follow.
    pub fn update(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        let at = self.length;
        self.length += chunk.len() as u64;
        let known = self.head.bytes.len();
        self.head.take(at, chunk);
        let judged = match known < HEAD_BYTES && self.head.bytes.len() == HEAD_BYTES {
            true => inspect(self.claimed, &self.head.bytes, None).map(|_| ()),
            false => Ok(()),
        };
        match self.claimed {
            DiskFormat::Vhd => self.keep_tail(chunk),
            DiskFormat::Vhdx => self.catch(at, chunk)?,
            _ => {}
        }
        judged
    }

    fn keep_tail(&mut self, chunk: &[u8]) {
        let last = &chunk[chunk.len().saturating_sub(vhd::FOOTER_BYTES)..];
        let older = (self.tail.len() + last.len()).saturating_sub(vhd::FOOTER_BYTES);
        self.tail.drain(..older.min(self.tail.len()));
        self.tail.extend_from_slice(last);
    }

    fn catch(&mut self, at: u64, chunk: &[u8]) -> Result<(), Refusal> {
        self.table.take(at, chunk);
        if self.metadata.is_none() && self.length >= vhdx::TABLE.end {
            let range = vhdx::metadata(&self.table.bytes)?;
            if range.start < at {
                return Err(Refusal::Absurd("its metadata are before its table of regions"));
            }
            self.metadata = Some(Caught::new(range));
        }
        if let Some(metadata) = &mut self.metadata {
            metadata.take(at, chunk);
        }
        Ok(())
    }

    /// Judges the whole.
    pub fn finish(self) -> Result<Inspection, Refusal> {
        let head = &self.head.bytes;
        let inspection = inspect(self.claimed, head, Some(self.length))?;
        match self.claimed {
            DiskFormat::Vhdx => {
                let metadata = self.metadata.ok_or(Refusal::Truncated)?;
                sized(vhdx::inspect(&metadata.bytes)?)
            }
            DiskFormat::Vhd if detect(head) != Content::Vhd => {
                let size = vhd::inspect_fixed(&self.tail, self.length)?;
                let found = detect(head);
                sized(size.ok_or(Refusal::Mismatch { claimed: self.claimed, found })?)
            }
            _ => Ok(inspection),
        }
    }
}
