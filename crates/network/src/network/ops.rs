//! What can be done with networks.

use policy::Caller;
use store::{Select, Stored, Tx};
use types::NetworkId;

use super::{KIND, Network, NetworkChange, NetworkDraft, Provider, store as rows};
use crate::resource::{self, Standard, allows, check};
use crate::{Error, MTU_EXTERNAL, MTU_VXLAN, port, quota, security_group, subnet};

/// The highest VXLAN network identifier.
const VNI_MAX: u32 = (1 << 24) - 1;
/// How many draws of a free VNI may fail; with half of all VNIs taken, one in a million attempts does.
const VNI_DRAWS_MAX: usize = 20;
/// The name of the wire that leads outside.
const PHYSICAL_NETWORK: &str = "public";
/// The smallest MTU that IPv4 allows.
pub(crate) const MTU_MIN: u32 = 68;

/// Creates a network.
pub fn create(caller: &Caller, tx: &mut Tx<'_>, draft: NetworkDraft) -> Result<Stored<Network>, Error> {
    let project = resource::owner(caller, draft.project_id)?;
    check(caller, "create_network", &project)?;
    check_sharing(caller, tx, "create_network", &draft.sharing, None)?;
    if draft.provider.is_some() {
        check(caller, "create_network:provider", &project)?;
    }
    quota::check(tx, &project, quota::Limited::Network, 1)?;
    security_group::ops::ensure_default(tx, &project)?;
    let external = draft.sharing.external.unwrap_or(false);
    let provider = match draft.provider {
        Some(Provider::Vxlan { vni }) if rows::has_vni(tx, vni)? => {
            return Err(Error::TunnelIdInUse { id: vni });
        }
        Some(provider) => provider,
        None => made(tx, external)?,
    };
    let mtu_max = if external { MTU_EXTERNAL } else { MTU_VXLAN };
    let network = Network {
        id: runtime::new_uuid().into(),
        standard: Standard::new(tx, project, draft.label),
        admin_up: draft.admin_up.unwrap_or(true),
        shared: draft.sharing.shared.unwrap_or(false),
        external,
        is_default: draft.sharing.is_default.unwrap_or(false),
        mtu: checked_mtu(draft.mtu, mtu_max)?,
        port_security: draft.port_security.unwrap_or(true),
        provider,
        deleted: false,
    };
    let network = rows::NETWORKS.insert(tx, network)?;
    if network.external {
        tx.kick(KIND, network.id)?;
    }
    Ok(network)
}

/// The network of this id, if the caller may see it.
pub fn show(caller: &Caller, tx: &mut Tx<'_>, id: NetworkId) -> Result<Stored<Network>, Error> {
    let network = resource::load::<Network>(tx, id)?;
    let everybodys = network.shared || network.external;
    if everybodys || allows(caller, "get_network", &network.standard.project_id) {
        Ok(network)
    } else {
        Err(Error::NetworkNotFound { id: id.to_string() })
    }
}

/// The network of this id, for other services that have checked who may use it.
pub fn lookup(tx: &mut Tx<'_>, id: NetworkId) -> Result<Option<Stored<Network>>, Error> {
    Ok(rows::NETWORKS.load(tx, id)?.filter(|network| !network.deleted))
}

/// The networks that a project can put ports on: its own and the shared ones, but no external ones.
pub fn usable(caller: &Caller, tx: &mut Tx<'_>) -> Result<Vec<Stored<Network>>, Error> {
    let select =
        rows::usable_by(caller.project_id()).eq("external", false).order("id", store::Direction::Asc);
    Ok(rows::NETWORKS.query(tx, &select)?)
}

/// Which networks the caller may see.
pub(crate) fn scope(caller: &Caller) -> Select {
    if caller.is_admin() { rows::live() } else { rows::visible_to(caller.project_id()) }
}

/// Changes a network.
pub fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    mut network: Stored<Network>,
    change: NetworkChange,
) -> Result<Stored<Network>, Error> {
    check(caller, "update_network", &network.standard.project_id)?;
    check_sharing(caller, tx, "update_network", &change.sharing, Some(network.id))?;
    if network.shared && change.sharing.shared == Some(false) {
        let strangers = port::store::other_projects_in(tx, network.id, &network.standard.project_id)?;
        if strangers {
            return Err(Error::InvalidSharedSetting { id: network.id.to_string() });
        }
    }
    if network.external && change.sharing.external == Some(false) {
        let used = port::store::owners_in(tx, network.id)?.iter().any(|owner| owner == port::ROUTER_GATEWAY);
        if used {
            return Err(Error::ExternalNetworkInUse { id: network.id.to_string() });
        }
    }
    let mtu_max = if network.external { MTU_EXTERNAL } else { MTU_VXLAN };
    if let Some(mtu) = change.mtu {
        network.mtu = checked_mtu(Some(mtu), mtu_max)?;
    }
    network.standard.relabel(tx, change.label);
    let replaced = |new: Option<bool>, old: &mut bool| *old = new.unwrap_or(*old);
    replaced(change.admin_up, &mut network.admin_up);
    replaced(change.port_security, &mut network.port_security);
    replaced(change.sharing.shared, &mut network.shared);
    if change.sharing.external.is_some_and(|external| external != network.external) {
        network.external = !network.external;
        network.provider = made(tx, network.external)?;
        network.mtu = if network.external { MTU_EXTERNAL } else { MTU_VXLAN };
    }
    replaced(change.sharing.is_default, &mut network.is_default);
    rows::NETWORKS.save(tx, &mut network)?;
    tx.kick(KIND, network.id)?;
    port::ops::kick_all_in(tx, network.id)?;
    Ok(network)
}

/// Deletes a network with its subnets. A network with ports stays.
pub fn delete(caller: &Caller, tx: &mut Tx<'_>, mut network: Stored<Network>) -> Result<(), Error> {
    check(caller, "delete_network", &network.standard.project_id)?;
    if port::store::any_live_in(tx, network.id)? {
        let reason = "There are one or more ports still in use on the network".to_owned();
        return Err(Error::NetworkInUse { id: network.id.to_string(), reason });
    }
    for subnet in subnet::store::of_network(tx, network.id)? {
        subnet::store::SUBNETS.remove(tx, &subnet)?;
    }
    network.deleted = true;
    rows::NETWORKS.save(tx, &mut network)?;
    Ok(tx.kick(KIND, network.id)?)
}

/// Asks whether the caller may share like this, and that there is one default external network at most.
fn check_sharing(
    caller: &Caller,
    tx: &mut Tx<'_>,
    rule: &str,
    sharing: &super::Sharing,
    id: Option<NetworkId>,
) -> Result<(), Error> {
    let asked = [
        ("shared", sharing.shared.is_some_and(|on| on || id.is_some())),
        ("router:external", sharing.external.is_some_and(|on| on || id.is_some())),
        ("is_default", sharing.is_default.is_some_and(|on| on || id.is_some())),
    ];
    for (attribute, is_asked) in asked {
        if is_asked {
            crate::policies::RULES.check(
                &format!("{rule}:{attribute}"),
                caller,
                &policy::Target::default(),
            )?;
        }
    }
    if sharing.is_default == Some(true) {
        let other = rows::external(tx)?.into_iter().find(|known| known.is_default && Some(known.id) != id);
        if let Some(other) = other {
            return Err(Error::DefaultExternalNetworkExists { id: other.id.to_string() });
        }
    }
    Ok(())
}

fn checked_mtu(mtu: Option<u32>, max: u32) -> Result<u32, Error> {
    match mtu {
        // 0 asks for what fits, as in Neutron.
        None | Some(0) => Ok(max),
        Some(mtu) if (MTU_MIN..=max).contains(&mtu) => Ok(mtu),
        Some(mtu) => Err(Error::input(format!("Requested MTU is not between {MTU_MIN} and {max}: {mtu}"))),
    }
}

/// How a network is made when nobody says how.
fn made(tx: &mut Tx<'_>, external: bool) -> Result<Provider, Error> {
    if external {
        return Ok(Provider::Flat { physical_network: PHYSICAL_NETWORK.to_owned() });
    }
    Ok(Provider::Vxlan { vni: free_vni(tx)? })
}

fn free_vni(tx: &mut Tx<'_>) -> Result<u32, Error> {
    for _ in 0..VNI_DRAWS_MAX {
        let drawn = u32::try_from(runtime::random_u64() % u64::from(VNI_MAX)).unwrap_or(0) + 1;
        if !rows::has_vni(tx, drawn)? {
            return Ok(drawn);
        }
    }
    Err(Error::NoNetworkAvailable {})
}
