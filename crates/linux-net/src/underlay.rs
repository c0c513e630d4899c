//! The underlay's namespace: it holds this host's tunnel address and the UDP sockets of all VXLAN devices. Tenants
//! have no way into it, for the devices themselves are moved into the networks' namespaces.

use std::collections::BTreeSet;
use std::net::IpAddr;

use types::IpNet;

use crate::cloud::Cloud;
use crate::error::Result;
use crate::netlink::Route;
use crate::netns::Netns;
use crate::network::Overlay;
use crate::sysctl;

/// The UDP port of VXLAN (RFC 7348).
pub const VXLAN_PORT: u16 = 4789;

/// The underlay of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnderlaySpec {
    /// The address that other hosts send to. It is put on the loopback device, so that it does not depend on a link.
    pub address: IpAddr,
    /// The UDP port of VXLAN.
    pub udp_port: u16,
}

/// The underlay's namespace, open.
#[derive(Debug)]
pub(crate) struct Underlay {
    spec: UnderlaySpec,
    route: Route,
}

impl Underlay {
    /// Makes it as `spec` says. Addresses and links that others gave it, such as an uplink, are left alone.
    pub(crate) fn ensure(cloud: Cloud, spec: &UnderlaySpec) -> Result<Underlay> {
        let netns = Netns::ensure(&cloud.underlay_namespace())?;
        sysctl::set(&netns, &[("ipv4/ip_forward", "0"), ("ipv4/conf/all/rp_filter", "0")])?;
        let mut route = Route::open(&netns)?;
        let lo = route.existing_link("lo")?.index;
        let own = IpNet::from(spec.address);
        let loopback: BTreeSet<IpNet> =
            route.addresses(lo)?.into_iter().filter(|n| n.addr().is_loopback()).collect();
        route.set_addresses(lo, &loopback.into_iter().chain([own]).collect())?;
        Ok(Underlay { spec: *spec, route })
    }

    /// What a network needs of it.
    pub(crate) fn overlay(&mut self) -> Overlay<'_> {
        Overlay { route: &mut self.route, local: self.spec.address, udp_port: self.spec.udp_port }
    }
}
