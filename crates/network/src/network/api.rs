//! Networks over HTTP.

use policy::Caller;
use rest::{Fields, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Stored, Tx};

use super::{Network, NetworkChange, NetworkDraft, Provider, Sharing, ops};
use crate::api::{self, finish, take_label, take_project};
use crate::resource::{self, allows};
use crate::{Error, availability_zone, subnet};

pub(crate) fn routes() -> Routes {
    let one = &api::path::<Network>("/{id}");
    Routes::new()
        .get(&api::path::<Network>(""), list)
        .post(&api::path::<Network>(""), create)
        .get(one, show)
        .put(one, update)
        .delete(one, delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let scope = ops::scope(request.caller());
    api::listed(request, tx, scope, &[("id", "id"), ("name", "name")], view)
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let create = |tx: &mut Tx<'_>, fields| ops::create(request.caller(), tx, draft(fields)?);
    api::create_each(request, tx, create, view)
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let network = found(request, tx)?;
    api::shown(request, tx, &network, view)
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let change = change(api::change_fields::<Network>(request)?)?;
    let network = found(request, tx)?;
    api::check_revision(request, &network)?;
    let network = ops::update(request.caller(), tx, network, change)?;
    api::shown(request, tx, &network, view)
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let network = found(request, tx)?;
    api::check_revision(request, &network)?;
    ops::delete(request.caller(), tx, network)?;
    Ok(Reply::empty(204))
}

fn found(request: &Request, tx: &mut Tx<'_>) -> Result<Stored<Network>, Error> {
    ops::show(request.caller(), tx, resource::id::<Network, _>(request.param("id"))?)
}

fn draft(mut fields: Fields) -> Result<NetworkDraft, Error> {
    let draft = NetworkDraft {
        project_id: take_project(&mut fields)?,
        label: take_label(&mut fields)?,
        admin_up: fields.flag("admin_state_up")?,
        sharing: sharing(&mut fields)?,
        mtu: mtu(&mut fields)?,
        port_security: fields.flag("port_security_enabled")?,
        provider: provider(&mut fields)?,
    };
    // One zone is all there is.
    availability_zone::take_hints(&mut fields)?;
    finish(fields)?;
    Ok(draft)
}

fn change(mut fields: Fields) -> Result<NetworkChange, Error> {
    let change = NetworkChange {
        label: take_label(&mut fields)?,
        admin_up: fields.flag("admin_state_up")?,
        sharing: sharing(&mut fields)?,
        mtu: mtu(&mut fields)?,
        port_security: fields.flag("port_security_enabled")?,
    };
    finish(fields)?;
    Ok(change)
}

fn sharing(fields: &mut Fields) -> Result<Sharing, Error> {
    Ok(Sharing {
        shared: fields.flag("shared")?,
        external: fields.flag("router:external")?,
        is_default: fields.flag("is_default")?,
    })
}

fn mtu(fields: &mut Fields) -> Result<Option<u32>, Error> {
    let mtu = fields.int_in("mtu", 0, i64::from(u16::MAX))?;
    Ok(mtu.map(|mtu| u32::try_from(mtu).unwrap_or(0)))
}

fn provider(fields: &mut Fields) -> Result<Option<Provider>, Error> {
    let kind = fields.text("provider:network_type")?;
    let wire = fields.text("provider:physical_network")?;
    let segment = fields.int_in("provider:segmentation_id", 1, (1 << 24) - 1)?;
    match (kind.as_deref(), wire, segment) {
        (None, None, None) => Ok(None),
        (Some("vxlan"), None, Some(vni)) => {
            Ok(Some(Provider::Vxlan { vni: u32::try_from(vni).unwrap_or(1) }))
        }
        (Some("vxlan"), None, None) => Ok(None),
        (Some("flat"), Some(physical_network), None) => Ok(Some(Provider::Flat { physical_network })),
        (Some("vxlan"), Some(_), _) => {
            Err(Error::input("provider:physical_network specified for a vxlan network"))
        }
        (Some("flat"), None, _) => Err(Error::input("physical_network required for flat provider network")),
        (Some("flat"), _, Some(_)) => Err(Error::input("segmentation_id specified for flat network")),
        (Some(other), ..) => Err(Error::input(format!("Invalid network_type: {other}"))),
        (None, ..) => Err(Error::input("network_type required")),
    }
}

/// What clients see of a network.
pub(crate) fn view(caller: &Caller, tx: &mut Tx<'_>, network: &Stored<Network>) -> Result<Json, Error> {
    let subnets: Vec<_> = subnet::store::of_network(tx, network.id)?.iter().map(|subnet| subnet.id).collect();
    let mut own = json!({
        "id": network.id,
        "status": "ACTIVE",
        "admin_state_up": network.admin_up,
        "shared": network.shared,
        "router:external": network.external,
        "mtu": network.mtu,
        "port_security_enabled": network.port_security,
        "subnets": subnets,
        "availability_zone_hints": [],
        "availability_zones": [availability_zone::NAME],
        "ipv4_address_scope": null,
        "ipv6_address_scope": null,
    });
    if network.external {
        own["is_default"] = json!(network.is_default);
    }
    if allows(caller, "get_network:provider", &network.standard.project_id) {
        let (kind, wire) = match &network.provider {
            Provider::Vxlan { .. } => ("vxlan", None),
            Provider::Flat { physical_network } => ("flat", Some(physical_network)),
        };
        own["provider:network_type"] = json!(kind);
        own["provider:physical_network"] = json!(wire);
        own["provider:segmentation_id"] = json!(network.vni());
    }
    Ok(api::with_standard(network, own))
}
