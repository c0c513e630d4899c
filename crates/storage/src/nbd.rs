//! A client of the NBD protocol, as far as a disk's bytes are read and written by it: fixed newstyle negotiation,
//! structured replies, and the meta context `base:allocation`, which says where a disk is only zeros.
//! The protocol: <https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md>.

use std::io::{self, Read, Write};

/// The most that is asked for, or sent, in one request.
pub(crate) const REQUEST_BYTES_MAX: usize = 8 << 20;
/// The most that block status is asked for in one request.
const STATUS_BYTES_MAX: u64 = 1 << 30;

const INIT_MAGIC: &[u8; 8] = b"NBDMAGIC";
const OPTION_MAGIC: &[u8; 8] = b"IHAVEOPT";
const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const SIMPLE_MAGIC: u32 = 0x6744_6698;
const STRUCTURED_MAGIC: u32 = 0x668e_33ef;

const FLAGS_FIXED_NEWSTYLE_NO_ZEROES: u32 = 0b11;
const OPT_GO: u32 = 7;
const OPT_STRUCTURED_REPLY: u32 = 8;
const OPT_SET_META_CONTEXT: u32 = 10;
const REP_ACK: u32 = 1;
const REP_INFO: u32 = 3;
const REP_META_CONTEXT: u32 = 4;
const INFO_EXPORT: u16 = 0;
const ALLOCATION: &str = "base:allocation";

const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;
const WRITE_ZEROES: u16 = 6;
const BLOCK_STATUS: u16 = 7;

const CHUNK_DONE: u16 = 1;
const CHUNK_NONE: u16 = 0;
const CHUNK_DATA: u16 = 1;
const CHUNK_HOLE: u16 = 2;
const CHUNK_STATUS: u16 = 5;
const CHUNK_IS_ERROR: u16 = 1 << 15;
const STATE_ZERO: u32 = 2;

/// A stretch of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub length: u64,
    /// Whether all of it is known to be zeros.
    pub is_zero: bool,
}

/// A negotiated connection.
pub(crate) struct Nbd<S> {
    stream: S,
    size_bytes: u64,
    cookie: u64,
    broken: bool,
}

impl<S: Read + Write> Nbd<S> {
    /// Negotiates the server's default export.
    pub(crate) fn negotiate(mut stream: S) -> io::Result<Nbd<S>> {
        let mut greeting = [0; 18];
        stream.read_exact(&mut greeting)?;
        if &greeting[..8] != INIT_MAGIC || &greeting[8..16] != OPTION_MAGIC {
            return Err(protocol("it does not greet as NBD servers do"));
        }
        stream.write_all(&FLAGS_FIXED_NEWSTYLE_NO_ZEROES.to_be_bytes())?;
        option(&mut stream, OPT_STRUCTURED_REPLY, &[])?;
        replies(&mut stream, OPT_STRUCTURED_REPLY)?;
        option(&mut stream, OPT_SET_META_CONTEXT, &meta_context(ALLOCATION))?;
        if replies(&mut stream, OPT_SET_META_CONTEXT)?.iter().all(|(kind, _)| *kind != REP_META_CONTEXT) {
            return Err(protocol("it does not know base:allocation"));
        }
        // The default export, and no more information than is sent anyway.
        option(&mut stream, OPT_GO, &[0; 6])?;
        let size_bytes =
            replies(&mut stream, OPT_GO)?.iter().find_map(|(kind, body)| export_size(*kind, body));
        let size_bytes = size_bytes.ok_or_else(|| protocol("it does not tell the size of its export"))?;
        Ok(Nbd { stream, size_bytes, cookie: 0, broken: false })
    }

    /// How large the disk is.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Fills `buffer` with what the disk has at `offset`. At most [`REQUEST_BYTES_MAX`].
    pub(crate) fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.request(READ, offset, buffer.len(), &[])?;
        self.answers(|chunk, body| place(chunk, body, offset, buffer))
    }

    /// Writes `bytes` at `offset`. At most [`REQUEST_BYTES_MAX`].
    pub(crate) fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.request(WRITE, offset, bytes.len(), bytes)?;
        self.answers(|_, _| Ok(()))
    }

    /// Makes `length` bytes at `offset` zeros, without room of their own where the disk can.
    pub(crate) fn write_zeroes(&mut self, offset: u64, length: usize) -> io::Result<()> {
        self.request(WRITE_ZEROES, offset, length, &[])?;
        self.answers(|_, _| Ok(()))
    }

    /// Makes what was written durable.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.request(FLUSH, 0, 0, &[])?;
        self.answers(|_, _| Ok(()))
    }

    /// Says good-bye.
    pub(crate) fn disconnect(&mut self) {
        // A server that has gone needs none.
        let _ = self.request(DISCONNECT, 0, 0, &[]);
    }

    /// What is known of the beginning of a stretch: at least one extent, none beyond the disk.
    pub(crate) fn extents(&mut self, offset: u64, length: u64) -> io::Result<Vec<Extent>> {
        let length = usize::try_from(length.min(STATUS_BYTES_MAX)).map_err(io::Error::other)?;
        self.request(BLOCK_STATUS, offset, length, &[])?;
        let mut extents = Vec::new();
        self.answers(|chunk, body| {
            if chunk == CHUNK_STATUS {
                extents = status(body, offset)?;
            }
            Ok(())
        })?;
        if extents.is_empty() { Err(protocol("it tells nothing of a stretch")) } else { Ok(extents) }
    }

    fn request(&mut self, command: u16, offset: u64, length: usize, payload: &[u8]) -> io::Result<()> {
        if self.broken {
            return Err(protocol("the connection broke before"));
        }
        self.cookie += 1;
        let length = u32::try_from(length).map_err(io::Error::other)?;
        let mut head = Vec::with_capacity(28 + payload.len());
        head.extend(REQUEST_MAGIC.to_be_bytes());
        head.extend(0u16.to_be_bytes());
        head.extend(command.to_be_bytes());
        head.extend(self.cookie.to_be_bytes());
        head.extend(offset.to_be_bytes());
        head.extend(length.to_be_bytes());
        head.extend(payload);
        self.stream.write_all(&head).inspect_err(|_| self.broken = true)
    }

    /// Takes in the chunks that answer the last request. An answer that is not understood breaks the connection; an
    /// error that the server tells does not.
    fn answers(&mut self, mut take: impl FnMut(u16, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut told = Ok(());
        loop {
            let answer = self.answer().inspect_err(|_| self.broken = true)?;
            match answer.error {
                Some(error) => told = told.and(Err(error)),
                None => told = told.and(take(answer.chunk, &answer.body)),
            }
            if answer.is_last {
                return told;
            }
        }
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let magic = self.u32()?;
        if magic == SIMPLE_MAGIC {
            let error = self.u32()?;
            self.expect_cookie()?;
            let error = (error != 0).then(|| server_error(error, ""));
            return Ok(Answer { chunk: CHUNK_NONE, body: Vec::new(), error, is_last: true });
        }
        if magic != STRUCTURED_MAGIC {
            return Err(protocol("it answers with another protocol's magic"));
        }
        let kinds = self.u32()?;
        let (flags, chunk) = ((kinds >> 16) as u16, (kinds & 0xffff) as u16);
        self.expect_cookie()?;
        let length = usize::try_from(self.u32()?).map_err(io::Error::other)?;
        if length > REQUEST_BYTES_MAX + 8 {
            return Err(protocol("it answers with more than was asked for"));
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let error = (chunk & CHUNK_IS_ERROR != 0).then(|| {
            let number = be_u32(&body, 0).unwrap_or_default();
            server_error(number, &String::from_utf8_lossy(body.get(6..).unwrap_or_default()))
        });
        Ok(Answer { chunk, body, error, is_last: flags & CHUNK_DONE != 0 })
    }

    fn expect_cookie(&mut self) -> io::Result<()> {
        let mut cookie = [0; 8];
        self.stream.read_exact(&mut cookie)?;
        let ours = u64::from_be_bytes(cookie) == self.cookie;
        if ours { Ok(()) } else { Err(protocol("it answers another request")) }
    }

    fn u32(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.stream.read_exact(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }
}

struct Answer {
    chunk: u16,
    body: Vec<u8>,
    error: Option<io::Error>,
    is_last: bool,
}

fn option(stream: &mut impl Write, option: u32, body: &[u8]) -> io::Result<()> {
    let mut head = OPTION_MAGIC.to_vec();
    head.extend(option.to_be_bytes());
    head.extend(u32::try_from(body.len()).map_err(io::Error::other)?.to_be_bytes());
    head.extend(body);
    stream.write_all(&head)
}

/// The replies to an option, up to the acknowledgement.
fn replies(stream: &mut impl Read, option: u32) -> io::Result<Vec<(u32, Vec<u8>)>> {
    let mut replies = Vec::new();
    loop {
        let mut head = [0; 20];
        stream.read_exact(&mut head)?;
        let number = |at| be_u32(&head, at).unwrap_or_default();
        let magic = u64::from(number(0)) << 32 | u64::from(number(4));
        let (kind, length) = (number(12), number(16));
        if magic != OPTION_REPLY_MAGIC || number(8) != option || length > 64 << 10 {
            return Err(protocol("it answers an option in another way than asked"));
        }
        let mut body = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        stream.read_exact(&mut body)?;
        if kind == REP_ACK {
            return Ok(replies);
        }
        if kind >> 31 == 1 {
            let text = String::from_utf8_lossy(&body);
            return Err(protocol(&format!("it refuses option {option}: {text}")));
        }
        replies.push((kind, body));
    }
}

/// The body of `NBD_OPT_SET_META_CONTEXT` for the default export and one context.
fn meta_context(name: &str) -> Vec<u8> {
    let mut body = 0u32.to_be_bytes().to_vec();
    body.extend(1u32.to_be_bytes());
    body.extend((name.len() as u32).to_be_bytes());
    body.extend(name.as_bytes());
    body
}

fn export_size(kind: u32, body: &[u8]) -> Option<u64> {
    let about = body.get(..2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))?;
    let is_export = kind == REP_INFO && about == INFO_EXPORT;
    is_export.then(|| be_u64(body, 2)).flatten()
}

/// Puts a chunk of a read where it belongs.
fn place(chunk: u16, body: &[u8], offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    if chunk == CHUNK_NONE {
        return Ok(());
    }
    let outside = || protocol("it answers a read with bytes from elsewhere");
    let at = be_u64(body, 0).and_then(|at| at.checked_sub(offset)).ok_or_else(outside)?;
    let at = usize::try_from(at).map_err(io::Error::other)?;
    let length = match chunk {
        CHUNK_DATA => body.len() - 8,
        CHUNK_HOLE => be_u32(body, 8).map(|length| length as usize).ok_or_else(outside)?,
        _ => return Err(outside()),
    };
    let end = at.checked_add(length).ok_or_else(outside)?;
    let place = buffer.get_mut(at..end).ok_or_else(outside)?;
    if chunk == CHUNK_DATA {
        place.copy_from_slice(&body[8..])
    } else {
        place.fill(0)
    }
    Ok(())
}

/// The extents in the body of a block status chunk: the context's id, then pairs of length and state.
fn status(body: &[u8], offset: u64) -> io::Result<Vec<Extent>> {
    let mut extents: Vec<Extent> = Vec::new();
    let mut at = offset;
    for pair in body.get(4..).unwrap_or_default().chunks_exact(8) {
        let (length, state) = (be_u32(pair, 0).unwrap_or_default(), be_u32(pair, 4).unwrap_or_default());
        if length == 0 {
            return Err(protocol("it tells of an empty stretch"));
        }
        let is_zero = state & STATE_ZERO != 0;
        match extents.last_mut() {
            Some(last) if last.is_zero == is_zero => last.length += u64::from(length),
            _ => extents.push(Extent { offset: at, length: length.into(), is_zero }),
        }
        at += u64::from(length);
    }
    Ok(extents)
}

fn be_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn be_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn protocol(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the NBD server is not understood: {what}"))
}

/// NBD's error numbers are those of Linux.
fn server_error(number: u32, text: &str) -> io::Error {
    let error = io::Error::from_raw_os_error(i32::try_from(number).unwrap_or_default());
    if text.is_empty() { error } else { io::Error::new(error.kind(), format!("{error}: {text}")) }
}
