//! The sockets of one namespace. They are opened on a thread that has entered it; after that they work from
//! any thread, and keep the namespace alive until they are closed.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType,
    SockaddrIn6, SockaddrStorage, bind, listen, recvmsg, sendmsg, setsockopt, socket, sockopt,
};

use super::ra;
use super::table::{SERVICE_V4, SERVICE_V6};
use crate::error::{Doing, Error, Result};
use crate::netns::Netns;

/// How long an unanswered metadata client may queue; the kernel caps it at its own limit.
const BACKLOG: i32 = 128;
const DHCP_PORT: u16 = 67;
const DHCP6_PORT: u16 = 547;
const HTTP_PORT: u16 = 80;
/// All DHCPv6 servers and relays of a link.
const ALL_DHCP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// Room for a datagram that is never read; the kernel raises it to its own minimum.
const QUIET_BUFFER: usize = 1;
/// Not named by the libc crate: the filter of ICMPv6 types, an option of protocol level 58.
const ICMP6_FILTER: libc::c_int = 1;

/// Tells two namespaces apart that had the same name at different times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(crate) fn of(netns: &Netns) -> Result<Identity> {
        let stat =
            nix::sys::stat::fstat(netns.as_fd()).doing(|| format!("inspect namespace {}", netns.name()))?;
        Ok(Identity { device: stat.st_dev, inode: stat.st_ino })
    }
}

/// What a tenant network's namespace is served through.
#[derive(Debug)]
pub(crate) struct NetworkSockets {
    identity: Identity,
    index: u32,
    /// Sees DHCP requests as they arrive at the bridge and sends whole frames.
    pub(crate) dhcp: OwnedFd,
    pub(crate) dhcp6: UdpSocket,
    pub(crate) http: [TcpListener; 2],
    /// Never read: while it is bound, the kernel does not answer renewals with "port unreachable".
    _quiet: UdpSocket,
    broken: AtomicBool,
}

/// What a router advertises itself through on one leg.
#[derive(Debug)]
pub(crate) struct LegSocket {
    identity: Identity,
    socket: OwnedFd,
    index: u32,
    broken: AtomicBool,
}

impl NetworkSockets {
    pub(crate) fn open(netns: &Netns, device: &str) -> Result<NetworkSockets> {
        let identity = Identity::of(netns)?;
        let act = || format!("open the service sockets of {device} in {}", netns.name());
        netns.run(|| NetworkSockets::open_inside(identity, device))?.doing(act)
    }

    fn open_inside(identity: Identity, device: &str) -> io::Result<NetworkSockets> {
        let index = if_nametoindex(device)?;
        let http4 = SocketAddr::V4(SocketAddrV4::new(SERVICE_V4, HTTP_PORT));
        let http6 = SocketAddr::V6(SocketAddrV6::new(SERVICE_V6, HTTP_PORT, 0, index));
        let quiet = unclaimed(SocketAddr::V4(SocketAddrV4::new(SERVICE_V4, DHCP_PORT)), SockType::Datagram)?;
        setsockopt(&quiet, sockopt::RcvBuf, &QUIET_BUFFER)?;
        Ok(NetworkSockets {
            identity,
            index,
            dhcp: packet_socket(index)?,
            dhcp6: dhcp6_socket(index)?,
            http: [listener(http4)?, listener(http6)?],
            _quiet: UdpSocket::from(quiet),
            broken: AtomicBool::new(false),
        })
    }

    /// Notes that these sockets lost their device and must be opened anew.
    pub(crate) fn mark_broken(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    /// Whether they work and belong to this device of this namespace, not to one that had its name before.
    pub(crate) fn serve(&self, identity: Identity, device: &str) -> bool {
        let whole = !self.broken.load(Ordering::Relaxed) && self.identity == identity;
        whole && index_of(&self.dhcp, device) == Some(self.index)
    }
}

impl LegSocket {
    pub(crate) fn open(netns: &Netns, device: &str) -> Result<LegSocket> {
        let identity = Identity::of(netns)?;
        let act = || format!("open the advertising socket of {device} in {}", netns.name());
        netns.run(|| LegSocket::open_inside(identity, device))?.doing(act)
    }

    fn open_inside(identity: Identity, device: &str) -> io::Result<LegSocket> {
        let index = if_nametoindex(device)?;
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Inet6, SockType::Raw, flags, SockProtocol::IcmpV6)?;
        setsockopt(&socket, sockopt::BindToDevice, &device.into())?;
        setsockopt(&socket, sockopt::Ipv6MulticastHops, &ra::HOP_LIMIT)?;
        setsockopt(&socket, sockopt::Ipv6Ttl, &ra::HOP_LIMIT)?;
        setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
        set_option(&socket, (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP), &0i32)?;
        set_option(&socket, (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF), &index)?;
        // A set bit blocks a type.
        let mut blocked = [u32::MAX; 8];
        blocked[usize::from(ra::SOLICITATION) / 32] &= !(1 << (ra::SOLICITATION % 32));
        set_option(&socket, (libc::IPPROTO_ICMPV6, ICMP6_FILTER), &blocked)?;
        join(&socket, ra::ALL_ROUTERS, index)?;
        Ok(LegSocket { identity, socket, index, broken: AtomicBool::new(false) })
    }

    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.socket
    }

    pub(crate) fn mark_broken(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Whether it works and belongs to this device of this namespace, not to one that had its name before.
    pub(crate) fn serves(&self, identity: Identity, device: &str) -> bool {
        let whole = !self.is_broken() && self.identity == identity;
        whole && index_of(&self.socket, device) == Some(self.index)
    }

    /// Sends from the router's link-local address; hosts ignore advertisements from any other.
    pub(crate) fn send(&self, message: &[u8], from: Ipv6Addr, to: Ipv6Addr) -> io::Result<()> {
        let info = libc::in6_pktinfo {
            ipi6_addr: libc::in6_addr { s6_addr: from.octets() },
            ipi6_ifindex: self.index,
        };
        let to = SockaddrIn6::from(SocketAddrV6::new(to, 0, 0, self.index));
        let control = [ControlMessage::Ipv6PacketInfo(&info)];
        let parts = [IoSlice::new(message)];
        sendmsg(self.socket.as_raw_fd(), &parts, &control, MsgFlags::empty(), Some(&to))?;
        Ok(())
    }

    /// One waiting message with its sender and hop limit.
    pub(crate) fn receive<'b>(&self, buffer: &'b mut [u8]) -> io::Result<(&'b [u8], Ipv6Addr, i32)> {
        let mut control = nix::cmsg_space!(libc::c_int, libc::in6_pktinfo);
        let (length, from, hop_limit) = {
            let mut parts = [IoSliceMut::new(buffer)];
            let fd = self.socket.as_raw_fd();
            let got = recvmsg::<SockaddrIn6>(fd, &mut parts, Some(&mut control), MsgFlags::empty())?;
            let hop_limit = got.cmsgs()?.find_map(|message| match message {
                ControlMessageOwned::Ipv6HopLimit(limit) => Some(limit),
                _ => None,
            });
            let from = got.address.map_or(Ipv6Addr::UNSPECIFIED, |address| address.ip());
            (got.bytes, from, hop_limit.unwrap_or(0))
        };
        Ok((&buffer[..length], from, hop_limit))
    }
}

/// A raw socket on the bridge that sees IPv4 frames to UDP port 67 and nothing else.
fn packet_socket(index: u32) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    // Without a protocol it receives nothing until it is bound, when the filter is in place.
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
    let instruction = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let (load, jump) = (libc::BPF_LD | libc::BPF_ABS, libc::BPF_JMP | libc::BPF_K);
    let mut program = [
        instruction(load | libc::BPF_B, 0, 0, 23),
        instruction(jump | libc::BPF_JEQ, 0, 6, libc::IPPROTO_UDP as u32),
        instruction(load | libc::BPF_H, 0, 0, 20),
        instruction(jump | libc::BPF_JSET, 4, 0, 0x1fff),
        instruction(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0, 0, 14),
        instruction(libc::BPF_LD | libc::BPF_IND | libc::BPF_H, 0, 0, 16),
        instruction(jump | libc::BPF_JEQ, 0, 1, u32::from(DHCP_PORT)),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, u32::from(u16::MAX)),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    set_option(&socket, (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER), &filter)?;
    // SAFETY: an all-zero sockaddr_ll is a valid value of that plain C struct.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_IP as u16).to_be();
    address.sll_ifindex = index as i32;
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `address`, which outlives the call.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    if bound == 0 { Ok(socket) } else { Err(io::Error::last_os_error()) }
}

fn dhcp6_socket(index: u32) -> io::Result<UdpSocket> {
    let any = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, DHCP6_PORT, 0, 0));
    let socket = unclaimed(any, SockType::Datagram)?;
    join(&socket, ALL_DHCP6, index)?;
    Ok(UdpSocket::from(socket))
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = unclaimed(address, SockType::Stream)?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(TcpListener::from(socket))
}

/// A bound socket; the address need not be on the device yet, so the order of set-up does not matter.
fn unclaimed(address: SocketAddr, kind: SockType) -> io::Result<OwnedFd> {
    let v6 = address.is_ipv6();
    let family = if v6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let socket = socket(family, kind, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    if v6 {
        setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
        set_option(&socket, (libc::IPPROTO_IPV6, libc::IPV6_FREEBIND), &1i32)?;
    } else {
        setsockopt(&socket, sockopt::IpFreebind, &true)?;
    }
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(socket)
}

fn join(socket: &impl AsFd, group: Ipv6Addr, index: u32) -> io::Result<()> {
    let request = libc::ipv6_mreq {
        ipv6mr_multiaddr: libc::in6_addr { s6_addr: group.octets() },
        ipv6mr_interface: index,
    };
    set_option(socket, (libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP), &request)
}

/// The index of a device in the namespace of a socket, asked without entering it.
fn index_of(socket: &impl AsFd, device: &str) -> Option<u32> {
    // SAFETY: an all-zero ifreq is a valid value of that plain C struct.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays the closing zero.
    let room = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name[..room].iter_mut().zip(device.bytes()) {
        *to = from as libc::c_char;
    }
    // SAFETY: SIOCGIFINDEX reads the name from `request` and writes the index into it.
    let done = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::SIOCGIFINDEX, &raw mut request) };
    if done != 0 {
        return None;
    }
    // SAFETY: the call succeeded, so the index is the member of the union that was written.
    u32::try_from(unsafe { request.ifr_ifru.ifru_ifindex }).ok()
}

/// Sets an option (level and name) that has no safe wrapper. `T` is the C type the option takes.
fn set_option<T>(socket: &impl AsFd, option: (libc::c_int, libc::c_int), value: &T) -> io::Result<()> {
    let fd = socket.as_fd().as_raw_fd();
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `value`, which the kernel only reads during the call. A filter
    // program that `value` points to is alive in the caller.
    let done = unsafe { libc::setsockopt(fd, option.0, option.1, (&raw const *value).cast(), length) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Opens the namespace of this name, which must be there.
pub(crate) fn open_namespace(name: &str) -> Result<Netns> {
    Netns::open(name)?
        .ok_or_else(|| Error::unfit(format!("serve namespace {name}"), "there is none of this name"))
}
