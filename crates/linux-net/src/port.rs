//! The links of ports: taps for VMs and veth pairs for namespaces.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use types::MacAddr;

use crate::cloud::LINK_NAME_LEN_MAX;
use crate::error::{Doing, Error, Result};
use crate::filter::{Attachment, PortSpec};
use crate::netlink::{Link, NewLink, Route};
use crate::netns::Netns;
use crate::network::{BRIDGE_LINK, ROUTER_LEG, Segment, VXLAN_LINK};

const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNSETPERSIST: libc::c_ulong = 0x4004_54cb;

/// Checks what the kernel or nft would stumble over later.
pub(crate) fn check(port: &PortSpec) -> Result<()> {
    let name = port.link.as_str();
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let reserved = ["lo", BRIDGE_LINK, VXLAN_LINK].contains(&name) || name.starts_with(ROUTER_LEG);
    if !plain || name.is_empty() || name.len() > LINK_NAME_LEN_MAX || reserved {
        return Err(Error::unfit(
            format!("attach port {}", port.id),
            format!("{name:?} cannot name its link"),
        ));
    }
    if port.mac.is_multicast() || port.mac == MacAddr([0; 6]) {
        return Err(Error::unfit(
            format!("attach port {}", port.id),
            format!("{} cannot be its MAC", port.mac),
        ));
    }
    Ok(())
}

/// Makes the port's link and puts it on the bridge.
pub(crate) fn ensure(
    netns: &Netns,
    route: &mut Route,
    seen: &[Link],
    port: &PortSpec,
    segment: &Segment,
) -> Result<()> {
    let there = seen.iter().find(|link| link.name == port.link);
    let kind = match port.attachment {
        Attachment::Tap => "tun",
        Attachment::Veth { .. } => "veth",
    };
    let fits = there.is_some_and(|link| link.kind == kind);
    if !fits {
        if there.is_some() {
            route.remove_link(&port.link)?;
        }
        match &port.attachment {
            Attachment::Tap => make_tap(netns, port)?,
            Attachment::Veth { namespace, link } => make_veth(route, port, namespace, link, segment)?,
        }
        route.set_mac(&port.link, near_mac(port.mac))?;
    }
    let settled = there.is_some_and(|link| {
        fits && link.master == Some(segment.bridge) && link.mtu == segment.mtu && link.up == port.admin_up
    });
    if settled {
        Ok(())
    } else {
        route.configure(&port.link, segment.mtu, Some(segment.bridge), port.admin_up)
    }
}

/// Our end must have another MAC than the guest, or the bridge would keep the guest's frames for itself.
fn near_mac(guest: MacAddr) -> MacAddr {
    let [_, rest @ ..] = guest.0;
    let [b, c, d, e, f] = rest;
    let first = if guest.0[0] == 0xfe { 0xfa } else { 0xfe };
    MacAddr([first, b, c, d, e, f])
}

fn make_veth(
    route: &mut Route,
    port: &PortSpec,
    namespace: &str,
    link: &str,
    segment: &Segment,
) -> Result<()> {
    let other = Netns::open(namespace)?.ok_or_else(|| {
        Error::unfit(format!("attach port {}", port.id), format!("there is no namespace {namespace}"))
    })?;
    route.add_link(&NewLink::Veth {
        name: &port.link,
        mac: None,
        peer: link,
        peer_mac: Some(port.mac),
        into: other.as_fd(),
    })?;
    Route::open(&other)?.configure(link, segment.mtu, None, true)
}

fn make_tap(netns: &Netns, port: &PortSpec) -> Result<()> {
    let made = netns.run(|| {
        let tap = attach_tap(&port.link)?;
        // SAFETY: the descriptor is an open tap; the request takes a plain number.
        let done = unsafe { libc::ioctl(tap.as_raw_fd(), TUNSETPERSIST as _, 1) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    })?;
    made.doing(|| format!("create tap {} in {}", port.link, netns.name()))
}

/// Opens the far end of a tap, to be handed to the VM's process. It can be open once at a time.
pub fn open_tap(netns: &Netns, link: &str) -> Result<OwnedFd> {
    netns.run(|| attach_tap(link))?.doing(|| format!("open tap {link} in {}", netns.name()))
}

/// Opens a tap, making it if there is none, in the namespace of the calling thread. Frames carry the header that
/// tells virtio's offloads, and no other.
fn attach_tap(link: &str) -> io::Result<OwnedFd> {
    let file = File::options().read(true).write(true).open("/dev/net/tun")?;
    // SAFETY: ifreq is a plain C structure for which zeroes are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().take(LINK_NAME_LEN_MAX).zip(link.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
    // SAFETY: the request reads and writes one ifreq, which outlives the call.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF as _, &raw mut request) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(file.into()) }
}
