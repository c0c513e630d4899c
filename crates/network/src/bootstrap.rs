//! What a fresh cloud has: the way outside, and pools from which any project can have addresses.

use policy::{Caller, Scope};
use store::{Condition, Tx};
use types::{AddressFamily, IpNet, ProjectId};

use crate::network::{self, NetworkDraft, Sharing};
use crate::resource::Label;
use crate::subnet::{self, GatewayWish, Origin, SubnetDraft};
use crate::subnet_pool::{self, LengthsWish, SubnetPoolChange, SubnetPoolDraft};
use crate::{Error, router};

/// The external network's name.
const PUBLIC: &str = "public";
/// Where projects' private IPv4 networks come from: carrier-grade addresses would surprise, and 10.0.0.0/16 is what
/// people choose by hand.
const POOL_V4: &str = "10.64.0.0/10";
/// Where projects' global IPv6 networks come from unless the operator has prefixes: a documentation range.
const POOL_V6: &str = "2001:db8:a000::/36";

/// The addresses of the external network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Its subnets; the first address of each is the gateway's.
    pub subnets: Vec<IpNet>,
}

impl Default for Outside {
    fn default() -> Outside {
        let subnets = ["172.24.4.0/24", "2001:db8:cafe::/64"];
        Outside { subnets: subnets.iter().filter_map(|text| text.parse().ok()).collect() }
    }
}

/// Makes what a fresh cloud has and this one lacks. `admin` is the project that owns it.
pub fn bootstrap(tx: &mut Tx<'_>, admin: &ProjectId, outside: &Outside) -> Result<(), Error> {
    let cloud = Caller::cloud();
    let caller = Caller {
        scope: Scope::Project { id: admin.clone(), name: "admin".to_owned(), domain_id: "default".into() },
        ..cloud
    };
    if network::store::external(tx)?.is_empty() {
        external_network(&caller, tx, outside)?;
    }
    pool(&caller, tx, AddressFamily::V4, POOL_V4, 24)?;
    pool(&caller, tx, AddressFamily::V6, POOL_V6, 64)
}

fn external_network(caller: &Caller, tx: &mut Tx<'_>, outside: &Outside) -> Result<(), Error> {
    let sharing = Sharing { shared: None, external: Some(true), is_default: Some(true) };
    let draft = NetworkDraft { label: Label::named(PUBLIC), sharing, ..NetworkDraft::default() };
    let network = network::ops::create(caller, tx, draft)?;
    for cidr in &outside.subnets {
        let family = AddressFamily::of(cidr.addr());
        let draft = SubnetDraft {
            project_id: None,
            label: Label::named(format!("{PUBLIC}-v{}", family.version())),
            network_id: network.id,
            origin: Origin::Given(cidr.trunc()),
            gateway: GatewayWish::Usual,
            allocation_pools: None,
            dns_servers: Vec::new(),
            host_routes: Vec::new(),
            dhcp: false,
            ipv6_ra_mode: None,
            ipv6_address_mode: None,
        };
        subnet::ops::create(caller, tx, draft)?;
    }
    Ok(())
}

fn pool(
    caller: &Caller,
    tx: &mut Tx<'_>,
    family: AddressFamily,
    prefix: &str,
    length: u8,
) -> Result<(), Error> {
    if subnet_pool::store::default_of(tx, family)?.is_some() {
        return Ok(());
    }
    let wish = SubnetPoolChange {
        label: Label::named(format!("shared-default-subnetpool-v{}", family.version())),
        prefixes: prefix.parse().ok().map(|prefix| vec![prefix]),
        lengths: LengthsWish { default: Some(length), ..LengthsWish::default() },
        is_default: Some(true),
        ..SubnetPoolChange::default()
    };
    subnet_pool::ops::create(caller, tx, SubnetPoolDraft { project_id: None, shared: true, wish })?;
    Ok(())
}

/// To be called when a host that was not known says hello: it needs the external networks, and routers may wait for
/// a host to be on.
pub fn host_joined(tx: &mut Tx<'_>) -> Result<(), store::Error> {
    for network in network::store::external(tx)? {
        tx.kick(network::KIND, network.id)?;
    }
    let waiting = router::store::live().with(Condition::Eq("host", store::Value::Null));
    for router in router::store::ROUTERS.query(tx, &waiting)? {
        if router.phase != router::Phase::Idle {
            tx.kick(router::KIND, router.id)?;
        }
    }
    Ok(())
}
