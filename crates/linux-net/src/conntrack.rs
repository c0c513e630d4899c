//! Tracked connections: listing them and cutting those that may no longer be.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::{Doing, Result};
use crate::netlink::Message;
use crate::nft::Kernel;
use crate::nft::elements::{attribute, attributes, nfgenmsg, unreadable};

const NFNL_SUBSYS_CTNETLINK: u16 = 1;
const IPCTNL_MSG_CT_NEW: u16 = 0;
const IPCTNL_MSG_CT_GET: u16 = 1;
const IPCTNL_MSG_CT_DELETE: u16 = 2;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_DST_PORT: u16 = 3;
const CTA_PROTO_ICMP_TYPE: u16 = 5;
const CTA_PROTO_ICMP_CODE: u16 = 6;
const CTA_PROTO_ICMPV6_TYPE: u16 = 8;
const CTA_PROTO_ICMPV6_CODE: u16 = 9;
const NLA_F_NESTED: u16 = 0x8000;

/// One direction of a tracked connection, as its first packet went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flow {
    pub from: IpAddr,
    pub to: IpAddr,
    pub protocol: u8,
    pub to_port: Option<u16>,
    pub icmp: Option<(u8, u8)>,
}

/// A tracked connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connection {
    pub original: Flow,
    pub reply: Flow,
    /// The original tuple as the kernel wrote it, by which the connection is named when it is to be cut.
    tuple: Vec<u8>,
}

/// Cuts the connections that `unwanted` picks, and says how many there were.
pub(crate) fn cut(kernel: &mut Kernel, unwanted: impl Fn(&Connection) -> bool) -> Result<usize> {
    let found = list(kernel)?;
    let messages: Vec<Message> = found.iter().filter(|c| unwanted(c)).map(removal).collect();
    let act = format!("cut connections in {}", kernel.place());
    for answer in kernel.socket().acknowledged(&messages).doing(|| act.clone())? {
        match answer {
            // It ended by itself.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            other => other.doing(|| act.clone())?,
        }
    }
    Ok(messages.len())
}

fn list(kernel: &mut Kernel) -> Result<Vec<Connection>> {
    let act = format!("list connections in {}", kernel.place());
    let mut found = Vec::new();
    let kind = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
    let request = Message { kind, flags: 0, body: nfgenmsg(libc::AF_UNSPEC as u8, 0) };
    let done = kernel.socket().dump(request, |kind, body| {
        if kind == NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW {
            found.push(read(body)?);
        }
        Ok(())
    });
    done.doing(|| act)?;
    Ok(found)
}

fn removal(connection: &Connection) -> Message {
    let family = if connection.original.from.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut body = nfgenmsg(family as u8, 0);
    attribute(&mut body, CTA_TUPLE_ORIG | NLA_F_NESTED, &connection.tuple);
    Message { kind: NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, flags: 0, body }
}

fn read(body: &[u8]) -> io::Result<Connection> {
    let body = body.get(4..).ok_or_else(|| unreadable("connection"))?;
    let mut original = None;
    let mut reply = None;
    for (kind, value) in attributes(body) {
        match kind {
            CTA_TUPLE_ORIG => original = read_tuple(value).map(|flow| (flow, value.to_vec())),
            CTA_TUPLE_REPLY => reply = read_tuple(value),
            _ => {}
        }
    }
    let (original, tuple) = original.ok_or_else(|| unreadable("connection"))?;
    let reply = reply.ok_or_else(|| unreadable("connection"))?;
    Ok(Connection { original, reply, tuple })
}

fn read_tuple(bytes: &[u8]) -> Option<Flow> {
    let (mut from, mut to, mut protocol) = (None, None, None);
    let (mut to_port, mut icmp_type, mut icmp_code) = (None, None, None);
    for (outer, nested) in attributes(bytes) {
        for (kind, value) in attributes(nested) {
            match (outer, kind) {
                (CTA_TUPLE_IP, CTA_IP_V4_SRC | CTA_IP_V6_SRC) => from = ip(value),
                (CTA_TUPLE_IP, CTA_IP_V4_DST | CTA_IP_V6_DST) => to = ip(value),
                (CTA_TUPLE_PROTO, CTA_PROTO_NUM) => protocol = value.first().copied(),
                (CTA_TUPLE_PROTO, CTA_PROTO_DST_PORT) => {
                    to_port = value.try_into().ok().map(u16::from_be_bytes);
                }
                (CTA_TUPLE_PROTO, CTA_PROTO_ICMP_TYPE | CTA_PROTO_ICMPV6_TYPE) => {
                    icmp_type = value.first().copied();
                }
                (CTA_TUPLE_PROTO, CTA_PROTO_ICMP_CODE | CTA_PROTO_ICMPV6_CODE) => {
                    icmp_code = value.first().copied();
                }
                _ => {}
            }
        }
    }
    Some(Flow { from: from?, to: to?, protocol: protocol?, to_port, icmp: icmp_type.zip(icmp_code) })
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|b| IpAddr::V4(Ipv4Addr::from(b)));
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|b| IpAddr::V6(Ipv6Addr::from(b)))).ok()
}
