//! Floating IPs over HTTP.

use policy::Caller;
use rest::{Fields, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Stored, Tx};
use types::PortId;

use super::{AssociationWish, FloatingIp, FloatingIpChange, FloatingIpDraft, ops};
use crate::Error;
use crate::api::{self, finish, take_project, take_text};
use crate::network::Network;
use crate::port::{Port, store::PORTS};
use crate::resource::{self, Label};
use crate::subnet::Subnet;

pub(crate) fn routes() -> Routes {
    let one = &api::path::<FloatingIp>("/{id}");
    Routes::new()
        .get(&api::path::<FloatingIp>(""), list)
        .post(&api::path::<FloatingIp>(""), create)
        .get(one, show)
        .put(one, update)
        .delete(one, delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let columns = [("id", "id"), ("floating_network_id", "network_id"), ("floating_ip_address", "address")];
    api::listed(request, tx, ops::scope(request.caller()), &columns, view)
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let create = |tx: &mut Tx<'_>, fields| ops::create(request.caller(), tx, draft(fields)?);
    api::create_each(request, tx, create, view)
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let floating = found(request, tx)?;
    api::shown(request, tx, &floating, view)
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = api::change_fields::<FloatingIp>(request)?;
    let change = FloatingIpChange { label: label(&mut fields)?, association: association(&mut fields)? };
    finish(fields)?;
    let floating = found(request, tx)?;
    api::check_revision(request, &floating)?;
    let floating = ops::update(request.caller(), tx, floating, change)?;
    api::shown(request, tx, &floating, view)
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let floating = found(request, tx)?;
    api::check_revision(request, &floating)?;
    ops::delete(request.caller(), tx, floating)?;
    Ok(Reply::empty(204))
}

fn found(request: &Request, tx: &mut Tx<'_>) -> Result<Stored<FloatingIp>, Error> {
    ops::show(request.caller(), tx, resource::id::<FloatingIp, _>(request.param("id"))?)
}

fn draft(mut fields: Fields) -> Result<FloatingIpDraft, Error> {
    let network = fields.required_text("floating_network_id")?;
    let subnet = fields.text("subnet_id")?;
    let draft = FloatingIpDraft {
        project_id: take_project(&mut fields)?,
        label: label(&mut fields)?,
        network_id: resource::id::<Network, _>(&network)?,
        subnet_id: subnet.map(|id| resource::id::<Subnet, _>(&id)).transpose()?,
        address: fields.parse("floating_ip_address")?,
        association: association(&mut fields)?.flatten(),
    };
    finish(fields)?;
    Ok(draft)
}

fn label(fields: &mut Fields) -> Result<Label, Error> {
    Ok(Label { name: None, description: take_text(fields, "description")? })
}

/// `Some(None)` if the port is null: it is to lead nowhere.
fn association(fields: &mut Fields) -> Result<Option<Option<AssociationWish>>, Error> {
    let port = fields.nullable_text("port_id")?;
    let fixed_ip = fields.parse("fixed_ip_address")?;
    match port {
        None | Some(None) if fixed_ip.is_some() => {
            let reason = "fixed_ip_address cannot be specified without a port_id".to_owned();
            Err(Error::BadRequest { resource: "floatingip", reason })
        }
        None => Ok(None),
        Some(None) => Ok(Some(None)),
        Some(Some(id)) => {
            let port_id: PortId = resource::id::<Port, _>(&id)?;
            Ok(Some(Some(AssociationWish { port_id, fixed_ip })))
        }
    }
}

/// What clients see of a floating IP.
pub(crate) fn view(_caller: &Caller, tx: &mut Tx<'_>, floating: &Stored<FloatingIp>) -> Result<Json, Error> {
    let port = match floating.port_id() {
        Some(id) => PORTS.load(tx, id)?,
        None => None,
    };
    let details = port.map(|port| {
        json!({
            "name": port.standard.name,
            "network_id": port.network_id,
            "mac_address": port.mac,
            "admin_state_up": port.admin_up,
            "status": crate::port::status_name(port.status()),
            "device_id": port.device.id,
            "device_owner": port.device.owner,
        })
    });
    let own = json!({
        "id": floating.id,
        "status": floating.status(),
        "floating_network_id": floating.network_id,
        "floating_ip_address": floating.address,
        "port_id": floating.port_id(),
        "fixed_ip_address": floating.fixed_ip(),
        "router_id": floating.router_id(),
        "port_details": details,
    });
    let mut shown = api::with_standard(floating, own);
    if let Json::Object(all) = &mut shown {
        // A floating IP has no name.
        all.remove("name");
    }
    Ok(shown)
}
