//! A small blocking netlink socket, and what we say over it to the routing side of the kernel.
//!
//! A socket belongs for life to the namespace it was opened in, so a namespace is entered once, to open its
//! sockets, and never again to use them.

mod address;
mod link;
mod neighbour;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkSerializable,
};
use netlink_packet_route::RouteNetlinkMessage;

use crate::error::{Doing, Result};
use crate::netns::Netns;

pub(crate) use address::Route as RouteEntry;
pub(crate) use link::{Link, NewLink};
pub(crate) use neighbour::{FdbEntry, Neighbour};

const HEADER_LEN: usize = 16;
/// Acknowledgements of one write must fit the socket's receive buffer (208 KiB by default, about 770 bytes each).
const MESSAGES_PER_WRITE_MAX: usize = 64;
const READ_LEN: usize = 64 * 1024;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// The kernel's families of netlink that we speak.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Family {
    Route,
    Netfilter,
}

/// One message without its header.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub kind: u16,
    pub flags: u16,
    pub body: Vec<u8>,
}

/// A netlink socket inside one namespace.
#[derive(Debug)]
pub(crate) struct Socket {
    file: File,
    sequence: u32,
}

impl Socket {
    /// Opens a socket in the namespace of the calling thread.
    pub(crate) fn open_here(family: Family) -> io::Result<Socket> {
        let protocol = match family {
            Family::Route => libc::NETLINK_ROUTE,
            Family::Netfilter => libc::NETLINK_NETFILTER,
        };
        // SAFETY: socket() takes plain numbers and its answer is checked before it is used as a descriptor.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and nobody else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let mut socket = Socket { file: fd.into(), sequence: 0 };
        socket.cap_acknowledgements()?;
        Ok(socket)
    }

    /// Opens a socket in another namespace.
    pub(crate) fn open(netns: &Netns, family: Family) -> Result<Socket> {
        netns.run(|| Socket::open_here(family))?.doing(|| format!("open netlink in {}", netns.name()))
    }

    /// Keeps the kernel from sending our own messages back with each error.
    fn cap_acknowledgements(&mut self) -> io::Result<()> {
        use std::os::fd::AsRawFd;
        let on: libc::c_int = 1;
        // SAFETY: the pointer and the length describe `on`, which outlives the call.
        let done = unsafe {
            libc::setsockopt(
                self.file.as_raw_fd(),
                libc::SOL_NETLINK,
                libc::NETLINK_CAP_ACK,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Sends messages, each of which is acknowledged, and returns each one's answer in order.
    pub(crate) fn acknowledged(&mut self, messages: &[Message]) -> io::Result<Vec<io::Result<()>>> {
        let mut answers = Vec::with_capacity(messages.len());
        for chunk in messages.chunks(MESSAGES_PER_WRITE_MAX) {
            let first = self.sequence.wrapping_add(1);
            let mut bytes = Vec::new();
            for message in chunk {
                self.append(&mut bytes, message, NLM_F_ACK);
            }
            self.file.write_all(&bytes)?;
            let mut pending: Vec<Option<io::Result<()>>> = chunk.iter().map(|_| None).collect();
            while pending.iter().any(Option::is_none) {
                self.receive(|kind, sequence, body| {
                    let at = sequence.wrapping_sub(first) as usize;
                    if let (NLMSG_ERROR, Some(slot)) = (kind, pending.get_mut(at)) {
                        *slot = Some(errno_of(body));
                    }
                    Ok(())
                })?;
            }
            answers.extend(pending.into_iter().flatten());
        }
        Ok(answers)
    }

    /// Sends one message and waits for its acknowledgement.
    pub(crate) fn request(&mut self, message: Message) -> io::Result<()> {
        self.acknowledged(&[message])?.into_iter().collect()
    }

    /// Asks for a list and hands each item's kind and body to `each`.
    pub(crate) fn dump(
        &mut self,
        mut message: Message,
        mut each: impl FnMut(u16, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        message.flags |= NLM_F_DUMP;
        let mut bytes = Vec::new();
        self.append(&mut bytes, &message, 0);
        self.file.write_all(&bytes)?;
        let wanted = self.sequence;
        let mut done = false;
        while !done {
            self.receive(|kind, sequence, body| match kind {
                _ if sequence != wanted => Ok(()),
                NLMSG_DONE => {
                    done = true;
                    Ok(())
                }
                NLMSG_ERROR => {
                    done = true;
                    errno_of(body)
                }
                kind => each(kind, body),
            })?;
        }
        Ok(())
    }

    /// Sends bytes that are several messages already (a batch of nfnetlink), numbered by [`Socket::next_sequence`].
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Counts one message and returns its number.
    pub(crate) fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Reads one datagram and hands on the messages in it: kind, sequence number, body.
    pub(crate) fn receive(
        &mut self,
        mut each: impl FnMut(u16, u32, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut buffer = vec![0; READ_LEN];
        let len = self.file.read(&mut buffer)?;
        let mut rest = buffer.get(..len).unwrap_or_default();
        while let Some(header) = rest.get(..HEADER_LEN) {
            let total = u32_at(header, 0) as usize;
            let kind = u16::from_ne_bytes([header[4], header[5]]);
            let body = rest.get(HEADER_LEN..total).ok_or_else(cut_short)?;
            each(kind, u32_at(header, 8), body)?;
            rest = rest.get(total.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(())
    }

    fn append(&mut self, bytes: &mut Vec<u8>, message: &Message, flags: u16) {
        let sequence = self.next_sequence();
        append(bytes, message, NLM_F_REQUEST | flags, sequence);
    }
}

/// Writes one message with its header, padded to the next.
pub(crate) fn append(bytes: &mut Vec<u8>, message: &Message, flags: u16, sequence: u32) {
    let len = (HEADER_LEN + message.body.len()) as u32;
    bytes.extend(len.to_ne_bytes());
    bytes.extend(message.kind.to_ne_bytes());
    bytes.extend((message.flags | flags).to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(&message.body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// What an NLMSG_ERROR says: zero is an acknowledgement.
pub(crate) fn errno_of(body: &[u8]) -> io::Result<()> {
    match body.get(..4).map(|b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]])) {
        Some(0) => Ok(()),
        Some(negative) => Err(io::Error::from_raw_os_error(negative.saturating_neg())),
        None => Err(cut_short()),
    }
}

pub(crate) fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer is cut short")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]))
}

/// The routing side of one namespace's kernel: links, addresses, routes, neighbours.
#[derive(Debug)]
pub(crate) struct Route {
    socket: Socket,
    /// The namespace's name, for messages.
    place: String,
}

impl Route {
    /// Opens it in a namespace.
    pub(crate) fn open(netns: &Netns) -> Result<Route> {
        Ok(Route { socket: Socket::open(netns, Family::Route)?, place: netns.name().to_owned() })
    }

    fn call(&mut self, message: &RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.socket.request(encode(message, flags))
    }

    fn list<T>(
        &mut self,
        message: &RouteNetlinkMessage,
        pick: impl Fn(RouteNetlinkMessage) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        let mut found = Vec::new();
        self.socket.dump(encode(message, 0), |kind, body| {
            let mut header = NetlinkHeader::default();
            header.message_type = kind;
            let item = RouteNetlinkMessage::deserialize(&header, body).map_err(io::Error::other)?;
            found.extend(pick(item));
            Ok(())
        })?;
        Ok(found)
    }
}

fn encode(message: &RouteNetlinkMessage, flags: u16) -> Message {
    let mut body = vec![0; message.buffer_len()];
    message.serialize(&mut body);
    Message { kind: message.message_type(), flags, body }
}
