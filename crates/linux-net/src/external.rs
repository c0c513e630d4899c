//! The external network: a namespace with a bridge that carries the gateway addresses, where the routers' outer legs
//! meet. From here, and only from here, floating IPs and the guests' IPv6 addresses are reached.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use types::{IpNet, MacAddr};

use crate::cloud::Cloud;
use crate::error::Result;
use crate::netlink::{NewLink, Route, RouteEntry};
use crate::netns::Netns;
use crate::sysctl;

/// The bridge of the external network.
pub const EXTERNAL_BRIDGE: &str = "br-ex";

const BRIDGE_MAC: MacAddr = MacAddr([0x02, 0xa9, 0xfe, 0xa9, 0xfe, 0x02]);

/// The external network as it should be on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalSpec {
    /// Its MTU.
    pub mtu: u32,
    /// The gateways' addresses with their prefixes.
    pub gateways: BTreeSet<IpNet>,
    /// Ways to the guests' prefixes: behind the external address of their router.
    pub routes: BTreeMap<IpNet, IpAddr>,
}

/// The external network's namespace, open.
#[derive(Debug)]
pub(crate) struct External {
    netns: Netns,
    route: Route,
}

impl External {
    /// Opens the namespace, making it if there is none.
    pub(crate) fn open(cloud: Cloud) -> Result<External> {
        let netns = Netns::ensure(&cloud.external_namespace())?;
        let route = Route::open(&netns)?;
        Ok(External { netns, route })
    }

    /// Makes it as `spec` says.
    pub(crate) fn ensure(&mut self, spec: &ExternalSpec) -> Result<()> {
        sysctl::set(
            &self.netns,
            &[
                ("ipv4/ip_forward", "1"),
                ("ipv4/conf/all/rp_filter", "0"),
                ("ipv4/conf/default/rp_filter", "0"),
                ("ipv4/conf/all/send_redirects", "0"),
                ("ipv4/conf/default/send_redirects", "0"),
                ("ipv6/conf/all/forwarding", "1"),
                ("ipv6/conf/default/accept_ra", "0"),
            ],
        )?;
        if sysctl::exists(&self.netns, "bridge/bridge-nf-call-iptables")? {
            // What passes the bridge is between routers and is none of this namespace's business.
            sysctl::set(
                &self.netns,
                &[
                    ("bridge/bridge-nf-call-iptables", "0"),
                    ("bridge/bridge-nf-call-ip6tables", "0"),
                    ("bridge/bridge-nf-call-arptables", "0"),
                ],
            )?;
        }
        let name = EXTERNAL_BRIDGE;
        if self.route.link(name)?.is_none() {
            self.route.add_link(&NewLink::Bridge { name, mac: Some(BRIDGE_MAC), mtu: spec.mtu })?;
        }
        self.route.configure(name, spec.mtu, None, true)?;
        let bridge = self.route.existing_link(name)?.index;
        self.route.set_addresses(bridge, &spec.gateways)?;
        let routes =
            spec.routes.iter().map(|(to, via)| RouteEntry { to: *to, via: Some(*via), link: bridge });
        self.route.set_routes(&routes.collect())
    }
}
