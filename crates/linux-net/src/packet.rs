//! Raw frames: a socket on one link, and the few kinds of frame that we send ourselves.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use types::MacAddr;

use crate::error::{Doing, Result};
use crate::netns::Netns;

const BROADCAST: MacAddr = MacAddr([0xff; 6]);
const FRAME_LEN_MAX: usize = 65_536;

/// A raw socket on one link: what is written goes out there, what comes in there is read.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
}

impl PacketSocket {
    /// Opens it on a link of a namespace.
    pub fn open(netns: &Netns, link: &str) -> Result<PacketSocket> {
        netns.run(|| open_here(link))?.doing(|| format!("open a raw socket on {link} in {}", netns.name()))
    }

    /// Sends one frame, which begins with its Ethernet header.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: the pointer and the length describe `frame`, which outlives the call.
        let sent = unsafe { libc::send(self.fd.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Waits for a frame that came in; `None` when none came in time.
    pub fn receive(&self, timeout: Duration) -> io::Result<Option<Vec<u8>>> {
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd is passed and it outlives the call.
        let ready = unsafe { libc::poll(&raw mut poll, 1, timeout_ms) };
        if ready < 0 {
            return Err(io::Error::last_os_error());
        }
        if ready == 0 {
            return Ok(None);
        }
        let mut frame = vec![0; FRAME_LEN_MAX];
        // SAFETY: the pointer and the length describe `frame`, which outlives the call.
        let len = unsafe { libc::recv(self.fd.as_raw_fd(), frame.as_mut_ptr().cast(), frame.len(), 0) };
        let len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
        frame.truncate(len);
        Ok(Some(frame))
    }
}

/// A raw socket that only sends, on any link of its namespace. It is kept, for closing one takes the kernel ten
/// milliseconds.
#[derive(Debug)]
pub(crate) struct Announcer {
    fd: OwnedFd,
}

impl Announcer {
    /// Opens it in a namespace.
    pub(crate) fn open(netns: &Netns) -> Result<Announcer> {
        let fd = netns.run(deaf_socket)?.doing(|| format!("open a raw socket in {}", netns.name()))?;
        Ok(Announcer { fd })
    }

    /// Sends one frame, which begins with its Ethernet header, on a link.
    pub(crate) fn send(&self, link: u32, frame: &[u8]) -> io::Result<()> {
        let address = link_address(link, 0);
        // SAFETY: the pointers and the lengths describe `frame` and `address`, which outlive the call.
        let sent = unsafe {
            libc::sendto(
                self.fd.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const address).cast(),
                ADDRESS_LEN,
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

const ADDRESS_LEN: libc::socklen_t = size_of::<libc::sockaddr_ll>() as libc::socklen_t;

fn open_here(link: &str) -> io::Result<PacketSocket> {
    let fd = deaf_socket()?;
    let index = nix::net::if_::if_nametoindex(link)?;
    let address = link_address(index, libc::ETH_P_ALL as u16);
    // SAFETY: the pointer and the length describe `address`, which outlives the call.
    let done = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), ADDRESS_LEN) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(PacketSocket { fd }) }
}

/// A packet socket that hears nothing before it is bound to a link.
fn deaf_socket() -> io::Result<OwnedFd> {
    // SAFETY: socket() takes plain numbers and its answer is checked before it is used as a descriptor.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn link_address(index: u32, protocol: u16) -> libc::sockaddr_ll {
    // SAFETY: sockaddr_ll is a plain C structure for which zeroes are valid.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = index as i32;
    address
}

/// An ARP announcement: everyone who knew another MAC for this address learns ours.
pub(crate) fn gratuitous_arp(mac: MacAddr, address: Ipv4Addr) -> Vec<u8> {
    let mut frame = ethernet(BROADCAST, mac, 0x0806);
    // Ethernet, IPv4, lengths of their addresses, request.
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(mac.0);
    frame.extend(address.octets());
    frame.extend([0; 6]);
    frame.extend(address.octets());
    frame
}

/// An unsolicited neighbour advertisement to all nodes: the same for IPv6. `from` is a router's address.
pub(crate) fn unsolicited_na(mac: MacAddr, address: Ipv6Addr) -> Vec<u8> {
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    // Type 136, flags router and override, the target, and the option with our MAC.
    let mut body = vec![136, 0, 0, 0, 0b1010_0000, 0, 0, 0];
    body.extend(address.octets());
    body.extend([2, 1]);
    body.extend(mac.0);
    let mut pseudo: Vec<u8> = [address.octets(), all_nodes.octets()].concat();
    pseudo.extend([0, 0, 0, body.len() as u8, 0, 0, 0, 58]);
    pseudo.extend(&body);
    let [high, low] = checksum(&pseudo).to_be_bytes();
    body[2] = high;
    body[3] = low;
    let mut frame = ethernet(MacAddr([0x33, 0x33, 0, 0, 0, 1]), mac, 0x86dd);
    frame.extend([0x60, 0, 0, 0, 0, body.len() as u8, 58, 255]);
    frame.extend(address.octets());
    frame.extend(all_nodes.octets());
    frame.extend(body);
    frame
}

/// A UDP datagram without content.
pub(crate) fn udp(macs: (MacAddr, MacAddr), from: Ipv4Addr, to: Ipv4Addr, port: u16) -> Vec<u8> {
    let mut frame = ethernet(macs.1, macs.0, 0x0800);
    let mut header = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0];
    header.extend(from.octets());
    header.extend(to.octets());
    let [high, low] = checksum(&header).to_be_bytes();
    header[10] = high;
    header[11] = low;
    frame.extend(header);
    let [high, low] = port.to_be_bytes();
    frame.extend([high, low, high, low, 0, 8, 0, 0]);
    frame
}

fn ethernet(to: MacAddr, from: MacAddr, kind: u16) -> Vec<u8> {
    [&to.0[..], &from.0[..], &kind.to_be_bytes()[..]].concat()
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
