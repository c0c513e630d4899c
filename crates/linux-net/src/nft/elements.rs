//! Adding and removing elements of sets and maps over nfnetlink, without an `nft` process.
//!
//! A batch is one transaction: all its messages take effect or none. Only what our rulesets use is encoded: keys of
//! plain and concatenated fields, values that are verdicts or IPv4 addresses.

use std::io;

use crate::error::{Doing, Result};
use crate::netlink::{self, Family as NetlinkFamily, Message, Socket};
use crate::netns::Netns;

use super::{Data, ElementChange, Family, Value};

const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;
const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFT_MSG_NEWSETELEM: u16 = 12;
const NFT_MSG_DELSETELEM: u16 = 14;

const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
const NFTA_SET_ELEM_LIST_SET: u16 = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_DATA: u16 = 2;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
const NFTA_VERDICT_CHAIN: u16 = 2;
const NLA_F_NESTED: u16 = 0x8000;

const NF_DROP: i32 = 0;
const NF_ACCEPT: i32 = 1;
const NFT_GOTO: i32 = -4;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;

const IFNAMSIZ: usize = 16;
/// A nested attribute's length is sixteen bits; an element is at most about a hundred and fifty bytes.
const ELEMENTS_PER_MESSAGE_MAX: usize = 256;
/// The kernel takes a batch in one datagram, which must fit the send buffer (208 KiB by default). Larger changes go
/// through `nft`.
const BATCH_LEN_MAX: usize = 128 * 1024;

/// The netfilter side of one namespace's kernel.
#[derive(Debug)]
pub(crate) struct Kernel {
    socket: Socket,
    place: String,
}

impl Kernel {
    /// Opens it in a namespace.
    pub(crate) fn open(netns: &Netns) -> Result<Kernel> {
        let socket = Socket::open(netns, NetlinkFamily::Netfilter)?;
        Ok(Kernel { socket, place: netns.name().to_owned() })
    }

    /// The socket, for the other subsystems that are spoken to over it.
    pub(crate) fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Where it is.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Applies the changes in one transaction. `false` when they are too many for one datagram; nothing was done then.
    pub(crate) fn change_elements(&mut self, changes: &[ElementChange]) -> Result<bool> {
        let first = self.socket.next_sequence();
        let (bytes, answered) = batch(changes, first);
        if bytes.len() > BATCH_LEN_MAX {
            return Ok(false);
        }
        // The batch took the numbers up to that of its closing message.
        while self.socket.next_sequence() != answered.wrapping_add(1) {}
        let act = || format!("change set elements in {}", self.place);
        self.socket.send_raw(&bytes).doing(act)?;
        let mut failed = None;
        let mut ended = answered == first;
        // Every message but the frame is answered once the transaction is through; a refusal of the batch as a whole
        // comes under the number of its first message.
        while !ended {
            let received = self.socket.receive(|_, sequence, body| {
                ended |= sequence == answered || sequence == first;
                if let (Err(error), None) = (netlink::errno_of(body), &failed) {
                    failed = Some(error);
                }
                Ok(())
            });
            received.doing(act)?;
        }
        failed.map_or(Ok(true), Err).doing(act)
    }
}

/// The bytes of one transaction, and the number of the last message in it that is answered.
fn batch(changes: &[ElementChange], first: u32) -> (Vec<u8>, u32) {
    let mut bytes = Vec::new();
    let mut sequence = first;
    let mut write = |kind, flags, body| {
        netlink::append(&mut bytes, &Message { kind, flags, body }, NLM_F_REQUEST, sequence);
        sequence = sequence.wrapping_add(1);
    };
    write(NFNL_MSG_BATCH_BEGIN, 0, nfgenmsg(0, NFNL_SUBSYS_NFTABLES));
    let removed = changes.iter().map(|change| (change, &change.removed, NFT_MSG_DELSETELEM, NLM_F_ACK));
    let added =
        changes.iter().map(|change| (change, &change.added, NFT_MSG_NEWSETELEM, NLM_F_ACK | NLM_F_CREATE));
    for (change, elements, kind, flags) in removed.chain(added) {
        let elements: Vec<_> = elements.iter().collect();
        for some in elements.chunks(ELEMENTS_PER_MESSAGE_MAX) {
            write(NFNL_SUBSYS_NFTABLES << 8 | kind, flags, element_list(change, some));
        }
    }
    write(NFNL_MSG_BATCH_END, 0, nfgenmsg(0, NFNL_SUBSYS_NFTABLES));
    (bytes, sequence.wrapping_sub(2))
}

fn element_list(change: &ElementChange, elements: &[(&Vec<Value>, &Option<Data>)]) -> Vec<u8> {
    let family = match change.family {
        Family::Inet => libc::NFPROTO_INET,
        Family::Ip => libc::NFPROTO_IPV4,
        Family::Bridge => libc::NFPROTO_BRIDGE,
    };
    let mut body = nfgenmsg(family as u8, 0);
    attribute(&mut body, NFTA_SET_ELEM_LIST_TABLE, &text(&change.table));
    attribute(&mut body, NFTA_SET_ELEM_LIST_SET, &text(&change.set));
    let mut list = Vec::new();
    for (key, data) in elements {
        let mut element = Vec::new();
        let mut value = Vec::new();
        attribute(&mut value, NFTA_DATA_VALUE, &key_bytes(key));
        attribute(&mut element, NFTA_SET_ELEM_KEY | NLA_F_NESTED, &value);
        if let Some(data) = data {
            attribute(&mut element, NFTA_SET_ELEM_DATA | NLA_F_NESTED, &data_bytes(data));
        }
        attribute(&mut list, NFTA_LIST_ELEM | NLA_F_NESTED, &element);
    }
    attribute(&mut body, NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED, &list);
    body
}

/// Fields of a concatenation each start on a register of four bytes.
fn key_bytes(key: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in key {
        match field {
            Value::Link(name) => {
                let mut padded = name.clone().into_bytes();
                padded.resize(IFNAMSIZ, 0);
                bytes.extend(padded);
            }
            Value::Mac(mac) => bytes.extend(mac.0),
            Value::V4(address) => bytes.extend(address.octets()),
            Value::V6(address) | Value::Raw(address) => bytes.extend(address.octets()),
            // Ranges are left to nft; a single address is written without its length.
            Value::Net(net) => match net.addr() {
                std::net::IpAddr::V4(address) => bytes.extend(address.octets()),
                std::net::IpAddr::V6(address) => bytes.extend(address.octets()),
            },
        }
        if key.len() > 1 {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
    }
    bytes
}

fn data_bytes(data: &Data) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (code, chain) = match data {
        Data::V4(address) => {
            attribute(&mut bytes, NFTA_DATA_VALUE, &address.octets());
            return bytes;
        }
        Data::Accept => (NF_ACCEPT, None),
        Data::Drop => (NF_DROP, None),
        Data::Goto(chain) => (NFT_GOTO, Some(chain)),
    };
    let mut verdict = Vec::new();
    attribute(&mut verdict, NFTA_VERDICT_CODE, &code.to_be_bytes());
    if let Some(chain) = chain {
        attribute(&mut verdict, NFTA_VERDICT_CHAIN, &text(chain));
    }
    attribute(&mut bytes, NFTA_DATA_VERDICT | NLA_F_NESTED, &verdict);
    bytes
}

/// The header that all nfnetlink messages share.
pub(crate) fn nfgenmsg(family: u8, resource: u16) -> Vec<u8> {
    let [high, low] = resource.to_be_bytes();
    vec![family, 0, high, low]
}

/// Appends one netlink attribute.
pub(crate) fn attribute(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let len = (value.len() + 4) as u16;
    bytes.extend(len.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn text(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// The attributes in a message's body, without their nesting flags.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = u16::from_ne_bytes([*bytes.first()?, *bytes.get(1)?]) as usize;
        let kind = u16::from_ne_bytes([*bytes.get(2)?, *bytes.get(3)?]) & !0xc000;
        let value = bytes.get(4..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// An answer that cannot be read.
pub(crate) fn unreadable(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the kernel's {what} cannot be read"))
}
