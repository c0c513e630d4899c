//! A file that is written from its start to its end.

use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use nix::fcntl::{FcntlArg, Flock, OFlag, fcntl};
use nix::libc;

/// From here on a file goes past the page cache: to copy much into it takes as long as to hash it, and drives out what
/// guests read. A small file is likely to be read soon.
const DIRECT_FROM: u64 = 64 << 20;
/// How much is written at a time then, and to what each piece and its place are aligned.
const PIECE_BYTES: usize = 1 << 20;
const ALIGNMENT: usize = 4096;

/// A file, and what comes next of it.
pub(super) struct Stream {
    file: Flock<File>,
    /// How much is in the file.
    length: u64,
    way: Way,
}

/// How the next bytes go to the disk.
enum Way {
    /// Through the page cache, as long as it is a small file.
    Small,
    /// Past it, in pieces.
    Direct(Piece),
    /// Through it, for there is no other way.
    Cached,
}

/// A piece that fills up, at an aligned place of its buffer.
struct Piece {
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
}

impl Stream {
    /// Writes to an empty file.
    pub(super) fn new(file: Flock<File>) -> Stream {
        Stream { file, length: 0, way: Way::Small }
    }

    /// Writes what comes next.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match &mut self.way {
                Way::Cached => return self.append(bytes),
                Way::Small => {
                    let left = usize::try_from(DIRECT_FROM - self.length).unwrap_or(usize::MAX);
                    let (now, later) = bytes.split_at(left.min(bytes.len()));
                    self.append(now)?;
                    bytes = later;
                    if self.length == DIRECT_FROM {
                        let can = set_direct(&self.file, true).is_ok();
                        self.way = if can { Way::Direct(Piece::new()) } else { Way::Cached };
                    }
                }
                Way::Direct(piece) => {
                    bytes = piece.take(bytes);
                    if piece.is_full() {
                        self.write_piece()?;
                    }
                }
            }
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.length)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn write_piece(&mut self) -> io::Result<()> {
        let Way::Direct(piece) = &mut self.way else { return Ok(()) };
        match self.file.write_all_at(piece.filled(), self.length) {
            // The disk wants another alignment, or took a part that is none: what is in the file is written again.
            Err(refused) if refused.raw_os_error() == Some(libc::EINVAL) => self.write_last(),
            done => {
                done?;
                self.length += piece.filled as u64;
                piece.filled = 0;
                Ok(())
            }
        }
    }

    /// Writes what is left of a piece, which need not be aligned, and goes on through the cache.
    fn write_last(&mut self) -> io::Result<()> {
        if let Way::Direct(piece) = mem::replace(&mut self.way, Way::Cached) {
            set_direct(&self.file, false)?;
            self.append(piece.filled())?;
        }
        Ok(())
    }

    /// Writes the rest, and returns the file.
    pub(super) fn finish(mut self) -> io::Result<Flock<File>> {
        self.write_last()?;
        Ok(self.file)
    }
}

impl Piece {
    fn new() -> Piece {
        let buffer = vec![0; PIECE_BYTES + ALIGNMENT];
        let start = buffer.as_ptr().align_offset(ALIGNMENT);
        Piece { buffer, start, filled: 0 }
    }

    /// Takes what there is room for, and returns the rest.
    fn take<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (now, later) = bytes.split_at(bytes.len().min(PIECE_BYTES - self.filled));
        let at = self.start + self.filled;
        self.buffer[at..at + now.len()].copy_from_slice(now);
        self.filled += now.len();
        later
    }

    fn is_full(&self) -> bool {
        self.filled == PIECE_BYTES
    }

    fn filled(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.filled]
    }
}

/// Lets writes go past the page cache, or through it again. Some file systems have no other way.
fn set_direct(file: &File, on: bool) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(file.as_fd(), FcntlArg::F_GETFL)?);
    let mut wanted = flags;
    wanted.set(OFlag::O_DIRECT, on);
    fcntl(file.as_fd(), FcntlArg::F_SETFL(wanted))?;
    Ok(())
}
