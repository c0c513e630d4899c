//! What a subnet is, and which subnets make sense.

use std::net::IpAddr;

use agent_api::network::Ipv6Mode;
use serde::{Deserialize, Serialize};
use types::{AddressFamily, IpNet, IpRange, NetworkId, ProjectId, SubnetId, SubnetPoolId};

use crate::Error;
use crate::resource::{Label, Resource, Standard};

/// How many resolvers a subnet can announce.
pub(crate) const DNS_SERVERS_MAX: usize = 5;
/// How many host routes a subnet can announce.
pub(crate) const HOST_ROUTES_MAX: usize = 20;

/// A subnet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// Owner, name, times and the like.
    pub standard: Standard,
    /// The network it is on.
    pub network_id: NetworkId,
    /// The prefix.
    pub cidr: IpNet,
    /// The router's address, unless hosts have none.
    pub gateway: Option<IpAddr>,
    /// Which addresses ports get; none of them the gateway's.
    pub allocation_pools: Vec<IpRange>,
    /// Resolvers to announce.
    #[serde(default)]
    pub dns_servers: Vec<IpAddr>,
    /// Extra routes to announce.
    #[serde(default)]
    pub host_routes: Vec<HostRoute>,
    /// Whether DHCP answers.
    pub dhcp: bool,
    /// Who advertises the IPv6 prefix how; nobody if absent.
    #[serde(default)]
    pub ipv6_ra_mode: Option<Ipv6Mode>,
    /// How hosts form IPv6 addresses.
    #[serde(default)]
    pub ipv6_address_mode: Option<Ipv6Mode>,
    /// The pool that the prefix comes from.
    #[serde(default)]
    pub subnet_pool_id: Option<SubnetPoolId>,
}

/// A route that hosts are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRoute {
    /// Where to.
    pub destination: IpNet,
    /// By whom.
    pub next_hop: IpAddr,
}

impl Subnet {
    /// IPv4 or IPv6.
    pub fn family(&self) -> AddressFamily {
        AddressFamily::of(self.cidr.addr())
    }

    /// Whether hosts form their addresses from their MACs, so that nobody can choose one.
    pub fn is_auto_address(&self) -> bool {
        matches!(self.ipv6_address_mode, Some(Ipv6Mode::Slaac | Ipv6Mode::Dhcpv6Stateless))
    }

    /// Whether a port can have this address: it is of the prefix and is neither the network's nor the broadcast's.
    pub fn has_host(&self, ip: IpAddr) -> bool {
        if !self.cidr.contains(&ip) {
            return false;
        }
        match self.cidr {
            IpNet::V4(net) if net.prefix_len() < 31 => {
                ip != IpAddr::V4(net.network()) && ip != IpAddr::V4(net.broadcast())
            }
            IpNet::V6(net) if net.prefix_len() < 127 => ip != IpAddr::V6(net.network()),
            IpNet::V4(_) | IpNet::V6(_) => true,
        }
    }

    /// Says what is wrong with the subnet as a whole, if anything is.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        self.validate_prefix()?;
        self.validate_ipv6()?;
        self.validate_gateway()?;
        self.validate_pools()?;
        if self.dns_servers.len() > DNS_SERVERS_MAX {
            return Err(Error::DNSNameServersExhausted { id: self.id.to_string(), max: DNS_SERVERS_MAX });
        }
        if self.host_routes.len() > HOST_ROUTES_MAX {
            return Err(Error::HostRoutesExhausted { id: self.id.to_string(), max: HOST_ROUTES_MAX });
        }
        let family = |ip: IpAddr| AddressFamily::of(ip) == self.family();
        if let Some(server) = self.dns_servers.iter().find(|server| !family(**server)) {
            return Err(self.other_family("dns_nameserver", server));
        }
        let other = self
            .host_routes
            .iter()
            .find(|route| !family(route.next_hop) || !family(route.destination.addr()));
        other.map_or(Ok(()), |route| Err(self.other_family("nexthop", &route.next_hop)))
    }

    fn other_family(&self, what: &str, ip: &IpAddr) -> Error {
        let version = self.family().version();
        Error::input(format!("{what} '{ip}' does not match the ip_version '{version}'"))
    }

    fn validate_prefix(&self) -> Result<(), Error> {
        let ip = self.cidr.addr();
        let why = if self.cidr.prefix_len() == 0 {
            "0 is not allowed as CIDR prefix length"
        } else if ip.is_multicast() {
            "Multicast IP subnet is not supported if enable_dhcp is True"
        } else if ip.is_loopback() {
            "Loopback IP subnet is not supported if enable_dhcp is True"
        } else if ip.is_unspecified() {
            "First IP '0.0.0.0' of network is not supported if enable_dhcp is True"
        } else if self.dhcp && self.family() == AddressFamily::V4 && self.cidr.prefix_len() > 30 {
            "Subnet has a prefix length that is incompatible with DHCP service enabled"
        } else {
            return Ok(());
        };
        Err(Error::input(why))
    }

    fn validate_ipv6(&self) -> Result<(), Error> {
        let (ra, address) = (self.ipv6_ra_mode, self.ipv6_address_mode);
        if ra.is_none() && address.is_none() {
            return Ok(());
        }
        if self.family() == AddressFamily::V4 {
            return Err(Error::input(
                "ipv6_ra_mode or ipv6_address_mode cannot be set when ip_version is not 6",
            ));
        }
        if !self.dhcp {
            return Err(Error::input(
                "ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False",
            ));
        }
        if let (Some(ra), Some(address)) = (ra, address)
            && ra != address
        {
            return Err(Error::input(format!(
                "ipv6_ra_mode set to '{}' with ipv6_address_mode set to '{}' is not valid. If both attributes are set, they must be the same value",
                mode_name(ra),
                mode_name(address)
            )));
        }
        if self.is_auto_address() && self.cidr.prefix_len() != 64 {
            return Err(Error::input(format!(
                "Invalid CIDR {} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64",
                self.cidr
            )));
        }
        Ok(())
    }

    fn validate_gateway(&self) -> Result<(), Error> {
        let Some(gateway) = self.gateway else { return Ok(()) };
        if AddressFamily::of(gateway) != self.family() {
            return Err(self.other_family("gateway_ip", &gateway));
        }
        // An IPv6 router may also be reached by its link-local address.
        let link_local = matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if !link_local && !self.has_host(gateway) {
            return Err(Error::input("Gateway is not valid on subnet"));
        }
        let within = self.allocation_pools.iter().find(|pool| pool.contains(gateway));
        within.map_or(Ok(()), |pool| {
            Err(Error::GatewayConflictWithAllocationPools { ip: gateway.to_string(), pool: spelled(pool) })
        })
    }

    fn validate_pools(&self) -> Result<(), Error> {
        for (n, pool) in self.allocation_pools.iter().enumerate() {
            if pool.start.is_ipv4() != pool.end.is_ipv4() || pool.start > pool.end {
                return Err(Error::InvalidAllocationPool { pool: spelled(pool) });
            }
            if !self.has_host(pool.start) || !self.has_host(pool.end) {
                return Err(Error::OutOfBoundsAllocationPool {
                    pool: spelled(pool),
                    cidr: self.cidr.to_string(),
                });
            }
            if let Some(other) = self.allocation_pools[..n].iter().find(|other| other.overlaps(pool)) {
                return Err(Error::OverlappingAllocationPools {
                    one: spelled(other),
                    other: spelled(pool),
                    cidr: self.cidr.to_string(),
                });
            }
        }
        Ok(())
    }
}

/// `10.0.0.2-10.0.0.254`, as messages say it.
fn spelled(pool: &IpRange) -> String {
    format!("{}-{}", pool.start, pool.end)
}

/// The words that the API has for a mode.
pub(crate) fn mode_name(mode: Ipv6Mode) -> &'static str {
    match mode {
        Ipv6Mode::Slaac => "slaac",
        Ipv6Mode::Dhcpv6Stateless => "dhcpv6-stateless",
        Ipv6Mode::Dhcpv6Stateful => "dhcpv6-stateful",
    }
}

/// The first address that a host can have.
pub(crate) fn first_host(cidr: IpNet) -> IpAddr {
    let all = IpRange { start: cidr.network(), end: cidr.broadcast() };
    if all.count() <= 2 { cidr.network() } else { all.nth(1).unwrap_or(cidr.network()) }
}

/// Every host address but the gateway's, as one pool or two.
pub(crate) fn default_pools(cidr: IpNet, gateway: Option<IpAddr>) -> Vec<IpRange> {
    let start = first_host(cidr);
    let whole = IpRange { start: cidr.network(), end: cidr.broadcast() };
    let last = match cidr {
        // The last address of an IPv4 prefix is its broadcast.
        IpNet::V4(net) if net.prefix_len() < 31 => whole.count() - 2,
        IpNet::V4(_) | IpNet::V6(_) => whole.count() - 1,
    };
    let end = whole.nth(last).unwrap_or(whole.end);
    let all = IpRange { start, end };
    let Some(gateway) = gateway.filter(|gateway| all.contains(*gateway)) else { return vec![all] };
    let below = before(gateway).map(|end| IpRange { start, end });
    let above = after(gateway).map(|start| IpRange { start, end });
    [below, above].into_iter().flatten().filter(|pool| pool.start <= pool.end).collect()
}

fn before(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(v4) => u32::from(v4).checked_sub(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_sub(1).map(|n| IpAddr::V6(n.into())),
    }
}

fn after(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|n| IpAddr::V6(n.into())),
    }
}

/// An address as a number.
pub(crate) fn host_number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// Whether two prefixes share an address.
pub(crate) fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

impl Resource for Subnet {
    const SINGULAR: &'static str = "subnet";
    const PLURAL: &'static str = "subnets";

    fn table() -> &'static store::Table<Subnet> {
        &super::store::SUBNETS
    }

    fn standard(&self) -> &Standard {
        &self.standard
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.standard
    }

    fn not_found(id: String) -> Error {
        Error::SubnetNotFound { id }
    }
}

/// Where a new subnet's prefix comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The client chose it.
    Given(IpNet),
    /// A pool: this prefix of it, or any of this length or of the pool's default length.
    Pool {
        /// The pool.
        pool: SubnetPoolId,
        /// The prefix, if the client chose one.
        cidr: Option<IpNet>,
        /// Its length.
        length: Option<u8>,
    },
    /// The default pool of this family.
    DefaultPool {
        /// IPv4 or IPv6.
        family: AddressFamily,
        /// Its length.
        length: Option<u8>,
    },
}

/// What becomes of the gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GatewayWish {
    /// The first address, or what it was.
    #[default]
    Usual,
    /// There is none.
    None,
    /// This address.
    At(IpAddr),
}

/// A subnet that somebody wants.
#[derive(Debug, Clone, PartialEq)]
pub struct SubnetDraft {
    /// The owner, if it is not the caller's project.
    pub project_id: Option<ProjectId>,
    /// Name and description.
    pub label: Label,
    /// The network.
    pub network_id: NetworkId,
    /// Where the prefix comes from.
    pub origin: Origin,
    /// The gateway.
    pub gateway: GatewayWish,
    /// The pools; all but the gateway if absent.
    pub allocation_pools: Option<Vec<IpRange>>,
    /// Resolvers.
    pub dns_servers: Vec<IpAddr>,
    /// Routes.
    pub host_routes: Vec<HostRoute>,
    /// Whether DHCP answers; it does.
    pub dhcp: bool,
    /// See [`Subnet::ipv6_ra_mode`].
    pub ipv6_ra_mode: Option<Ipv6Mode>,
    /// See [`Subnet::ipv6_address_mode`].
    pub ipv6_address_mode: Option<Ipv6Mode>,
}

/// What somebody wants to be different; absent fields stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubnetChange {
    /// Name and description.
    pub label: Label,
    /// The gateway.
    pub gateway: GatewayWish,
    /// The pools.
    pub allocation_pools: Option<Vec<IpRange>>,
    /// Resolvers.
    pub dns_servers: Option<Vec<IpAddr>>,
    /// Routes.
    pub host_routes: Option<Vec<HostRoute>>,
    /// Whether DHCP answers.
    pub dhcp: Option<bool>,
}
