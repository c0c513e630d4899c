//! Neighbours (who has this IP address) and the bridges' forwarding entries (behind which port is this MAC).

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use types::MacAddr;

use super::{Route, encode};
use crate::error::{Doing, Result};

/// A permanent neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Neighbour {
    pub address: IpAddr,
    pub mac: MacAddr,
}

/// A forwarding entry of a VXLAN device: frames for this MAC go to that host. The zero MAC stands for frames to
/// everyone and to unknown addresses; it alone may have several hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FdbEntry {
    pub mac: MacAddr,
    pub host: IpAddr,
}

const EVERYONE: MacAddr = MacAddr([0; 6]);

impl Route {
    /// The permanent neighbours on a link.
    pub(crate) fn neighbours(&mut self, link: u32) -> Result<BTreeSet<Neighbour>> {
        let mut neighbours = BTreeSet::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let found = self.neighbour_messages(family)?;
            neighbours.extend(found.iter().filter(|m| m.header.ifindex == link).filter_map(neighbour_of));
        }
        Ok(neighbours)
    }

    /// Makes the permanent neighbours on a link exactly these.
    pub(crate) fn set_neighbours(&mut self, link: u32, wanted: &BTreeSet<Neighbour>) -> Result<()> {
        let seen = self.neighbours(link)?;
        let mut messages = Vec::new();
        let kept: BTreeSet<IpAddr> = wanted.iter().map(|n| n.address).collect();
        for gone in seen.difference(wanted).filter(|n| !kept.contains(&n.address)) {
            messages.push((neighbour_message(link, gone), Change::Remove));
        }
        messages.extend(wanted.difference(&seen).map(|n| (neighbour_message(link, n), Change::Replace)));
        self.change(&messages).doing(|| format!("set neighbours in {}", self.place))
    }

    /// The forwarding entries of a VXLAN device.
    pub(crate) fn fdb(&mut self, link: u32) -> Result<BTreeSet<FdbEntry>> {
        let found = self.neighbour_messages(AddressFamily::Bridge)?;
        let own = found.iter().filter(|m| m.header.ifindex == link);
        Ok(own.filter_map(fdb_of).collect())
    }

    /// Makes the forwarding entries of a VXLAN device exactly these, and tells the bridge above it that the MACs
    /// are behind that port.
    pub(crate) fn set_fdb(&mut self, link: u32, wanted: &BTreeSet<FdbEntry>) -> Result<()> {
        let seen = self.fdb(link)?;
        let mut messages = Vec::new();
        let kept: BTreeSet<MacAddr> = wanted.iter().map(|e| e.mac).filter(|mac| *mac != EVERYONE).collect();
        for gone in seen.difference(wanted).filter(|e| !kept.contains(&e.mac)) {
            messages.push((device_entry(link, gone), Change::Remove));
            if gone.mac != EVERYONE {
                messages.push((bridge_entry(link, gone.mac), Change::Remove));
            }
        }
        for new in wanted.difference(&seen) {
            if new.mac == EVERYONE {
                messages.push((device_entry(link, new), Change::Append));
            } else {
                messages.push((device_entry(link, new), Change::Replace));
                messages.push((bridge_entry(link, new.mac), Change::Replace));
            }
        }
        self.change(&messages).doing(|| format!("set forwarding entries in {}", self.place))
    }

    fn neighbour_messages(&mut self, family: AddressFamily) -> Result<Vec<NeighbourMessage>> {
        let mut message = NeighbourMessage::default();
        message.header.family = family;
        let found = self.list(&RouteNetlinkMessage::GetNeighbour(message), |item| match item {
            RouteNetlinkMessage::NewNeighbour(message) => Some(message),
            _ => None,
        });
        found.doing(|| format!("list neighbours in {}", self.place))
    }

    fn change(&mut self, changes: &[(NeighbourMessage, Change)]) -> io::Result<()> {
        let encoded: Vec<_> =
            changes.iter().map(|(message, change)| change.encode(message.clone())).collect();
        for (answer, (_, change)) in self.socket.acknowledged(&encoded)?.into_iter().zip(changes) {
            match (answer, change) {
                (Err(error), Change::Remove) if error.raw_os_error() == Some(libc::ENOENT) => {}
                (answer, _) => answer?,
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Replace,
    Append,
    Remove,
}

impl Change {
    fn encode(self, message: NeighbourMessage) -> super::Message {
        match self {
            Change::Replace => {
                encode(&RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE)
            }
            Change::Append => {
                encode(&RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_APPEND)
            }
            Change::Remove => encode(&RouteNetlinkMessage::DelNeighbour(message), 0),
        }
    }
}

fn neighbour_message(link: u32, neighbour: &Neighbour) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = match neighbour.address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.ifindex = link;
    message.header.state = NeighbourState::Permanent;
    message.attributes.push(NeighbourAttribute::Destination(neighbour.address.into()));
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(neighbour.mac.0.to_vec()));
    message
}

fn fdb_message(link: u32, mac: MacAddr, flags: NeighbourFlags, state: NeighbourState) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = link;
    message.header.flags = flags;
    message.header.state = state;
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
    message
}

fn device_entry(link: u32, entry: &FdbEntry) -> NeighbourMessage {
    let mut message = fdb_message(link, entry.mac, NeighbourFlags::Own, NeighbourState::Permanent);
    message.attributes.push(NeighbourAttribute::Destination(entry.host.into()));
    message
}

fn bridge_entry(link: u32, mac: MacAddr) -> NeighbourMessage {
    fdb_message(link, mac, NeighbourFlags::Controller, NeighbourState::Noarp)
}

fn mac_of(message: &NeighbourMessage) -> Option<MacAddr> {
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(bytes) => bytes.as_slice().try_into().ok().map(MacAddr),
        _ => None,
    })
}

fn address_of(message: &NeighbourMessage) -> Option<IpAddr> {
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => Some((*v4).into()),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => Some((*v6).into()),
        // In the bridge's family the parser leaves the bytes as they are.
        NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => {
            let v4 = <[u8; 4]>::try_from(bytes.as_slice()).map(|b| IpAddr::V4(Ipv4Addr::from(b)));
            let v6 = <[u8; 16]>::try_from(bytes.as_slice()).map(|b| IpAddr::V6(Ipv6Addr::from(b)));
            v4.or(v6).ok()
        }
        _ => None,
    })
}

fn neighbour_of(message: &NeighbourMessage) -> Option<Neighbour> {
    if message.header.state != NeighbourState::Permanent {
        return None;
    }
    let neighbour = Neighbour { address: address_of(message)?, mac: mac_of(message)? };
    // The kernel lists its own multicast mappings as neighbours too; those have no state but NOARP.
    Some(neighbour)
}

fn fdb_of(message: &NeighbourMessage) -> Option<FdbEntry> {
    let of_device = message.header.flags.contains(NeighbourFlags::Own);
    if !of_device {
        return None;
    }
    Some(FdbEntry { mac: mac_of(message)?, host: address_of(message)? })
}
