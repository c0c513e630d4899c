//! Making and taking away auto-allocated topologies.

use agent_api::network::Ipv6Mode;
use policy::{Caller, Scope};
use store::{Stored, Tx};
use types::{AddressFamily, NetworkId, ProjectId, SubnetId};

use super::{AutoTopology, store as rows};
use crate::network::{self, Network, NetworkDraft};
use crate::resource::{self, Label, check};
use crate::router::{self, GatewayWish, Interface, Router, RouterDraft};
use crate::subnet::{self, GatewayWish as SubnetGateway, Origin, SubnetDraft};
use crate::{Error, subnet_pool};

/// The network that a project's servers are put on when nobody names one, made with all that belongs to it if the
/// project has none.
pub fn ensure(caller: &Caller, tx: &mut Tx<'_>) -> Result<NetworkId, Error> {
    let Some(project) = caller.project_id().cloned() else {
        return Err(refused("the token is for no project"));
    };
    ensure_for(caller, tx, &project)
}

/// As [`ensure`], for a project that the caller may act for.
pub(crate) fn ensure_for(caller: &Caller, tx: &mut Tx<'_>, project: &ProjectId) -> Result<NetworkId, Error> {
    check(caller, "get_auto_allocated_topology", project)?;
    if let Some(known) = rows::TOPOLOGIES.load(tx, project.as_str())? {
        if network::ops::lookup(tx, known.network_id)?.is_some() {
            return Ok(known.network_id);
        }
        // Its owner took it apart by hand; what is left of it is the owner's.
        rows::TOPOLOGIES.remove(tx, &known)?;
    }
    check_possible(tx)?;
    let topology = build(tx, project)?;
    Ok(rows::TOPOLOGIES.insert(tx, topology)?.network_id)
}

fn refused(reason: &str) -> Error {
    Error::AutoAllocationFailure { reason: reason.to_owned() }
}

/// Whether the cloud has what a topology is made of.
pub(crate) fn check_possible(tx: &mut Tx<'_>) -> Result<NetworkId, Error> {
    let families = [AddressFamily::V4, AddressFamily::V6];
    let mut pools = 0;
    for family in families {
        pools += usize::from(subnet_pool::store::default_of(tx, family)?.is_some());
    }
    if pools == 0 {
        return Err(refused("No default subnetpools are configured"));
    }
    let outside = network::store::external(tx)?.into_iter().find(|network| network.is_default);
    outside.map(|network| network.id).ok_or_else(|| refused("No default router:external network"))
}

/// Makes everything in the project's own name, so that its quotas count and it can change and delete it all.
fn build(tx: &mut Tx<'_>, project: &ProjectId) -> Result<AutoTopology, Error> {
    let outside = check_possible(tx)?;
    let owner = on_behalf_of(project);
    let label = |name: &str| Label::named(format!("auto_allocated_{name}"));
    let draft = NetworkDraft { label: label("network"), ..NetworkDraft::default() };
    let network = network::ops::create(&owner, tx, draft)?;
    let mut subnets = Vec::new();
    for family in [AddressFamily::V4, AddressFamily::V6] {
        if subnet_pool::store::default_of(tx, family)?.is_some() {
            let name = label(&format!("subnet_v{}", family.version()));
            subnets.push(subnet::ops::create(&owner, tx, subnet_draft(name, network.id, family))?.id);
        }
    }
    let gateway = GatewayWish { network_id: Some(outside), ..GatewayWish::default() };
    let draft = RouterDraft { label: label("router"), gateway: Some(gateway), ..RouterDraft::default() };
    let router = router::ops::create(&owner, tx, draft)?;
    let router_id = router.id;
    for subnet in &subnets {
        let router = resource::load::<Router>(tx, router_id)?;
        router::ops::add_interface(&owner, tx, router, leg(*subnet))?;
    }
    Ok(AutoTopology { project_id: project.clone(), network_id: network.id, subnets, router_id })
}

fn leg(subnet: SubnetId) -> Interface {
    Interface { subnet_id: Some(subnet), port_id: None }
}

fn subnet_draft(label: Label, network_id: NetworkId, family: AddressFamily) -> SubnetDraft {
    // Guests form their IPv6 addresses themselves, so that every image has one without DHCPv6.
    let mode = (family == AddressFamily::V6).then_some(Ipv6Mode::Slaac);
    SubnetDraft {
        project_id: None,
        label,
        network_id,
        origin: Origin::DefaultPool { family, length: None },
        gateway: SubnetGateway::Usual,
        allocation_pools: None,
        dns_servers: Vec::new(),
        host_routes: Vec::new(),
        dhcp: true,
        ipv6_ra_mode: mode,
        ipv6_address_mode: mode,
    }
}

/// A member of the project: whoever asked may be an administrator of another.
fn on_behalf_of(project: &ProjectId) -> Caller {
    let scope = Scope::Project { id: project.clone(), name: String::new(), domain_id: "".into() };
    Caller { scope, roles: vec!["member".to_owned(), "reader".to_owned()], ..Caller::cloud() }
}

/// Takes a topology away, unless something is plugged into its network.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, project: &ProjectId) -> Result<(), Error> {
    check(caller, "delete_auto_allocated_topology", project)?;
    let Some(known) = rows::TOPOLOGIES.load(tx, project.as_str())? else { return Ok(()) };
    let owner = on_behalf_of(project);
    for subnet in &known.subnets {
        if let Some(router) = still::<Router>(tx, known.router_id)? {
            match router::ops::remove_interface(&owner, tx, router, leg(*subnet)) {
                // Its owner did that already.
                Ok(_)
                | Err(Error::RouterInterfaceNotFoundForSubnet { .. } | Error::SubnetNotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    if let Some(router) = still::<Router>(tx, known.router_id)? {
        router::ops::delete(&owner, tx, router)?;
    }
    if let Some(network) = still::<Network>(tx, known.network_id)? {
        network::ops::delete(&owner, tx, network)?;
    }
    Ok(rows::TOPOLOGIES.remove(tx, &known)?)
}

/// The resource, if it is still there.
fn still<R: resource::Resource>(tx: &mut Tx<'_>, id: impl ToString) -> Result<Option<Stored<R>>, Error> {
    match resource::load::<R>(tx, id) {
        Ok(row) => Ok(Some(row)),
        Err(Error::Store(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}
