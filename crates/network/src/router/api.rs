//! Routers over HTTP.

use policy::Caller;
use rest::{Fields, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Stored, Tx};

use super::{GatewayWish, Interface, Router, RouterChange, RouterDraft, ops};
use crate::api::{self, finish, take_label, take_project};
use crate::network::Network;
use crate::port::{FixedIpWish, Port, store::PORTS};
use crate::subnet::api::{routes_view, take_routes};
use crate::subnet::{HostRoute, Subnet};
use crate::{Error, availability_zone, resource};

pub(crate) fn routes() -> Routes {
    let path = api::path::<Router>;
    Routes::new()
        .get(&path(""), list)
        .post(&path(""), create)
        .get(&path("/{id}"), show)
        .put(&path("/{id}"), update)
        .delete(&path("/{id}"), delete)
        .put(&path("/{id}/add_router_interface"), add_interface)
        .put(&path("/{id}/remove_router_interface"), remove_interface)
        .put(&path("/{id}/add_extraroutes"), add_routes)
        .put(&path("/{id}/remove_extraroutes"), remove_routes)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    api::listed(request, tx, ops::scope(request.caller()), &[("id", "id"), ("name", "name")], view)
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let create = |tx: &mut Tx<'_>, fields| ops::create(request.caller(), tx, draft(fields)?);
    api::create_each(request, tx, create, view)
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let router = found(request, tx)?;
    api::shown(request, tx, &router, view)
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let change = change(api::change_fields::<Router>(request)?)?;
    let router = found(request, tx)?;
    api::check_revision(request, &router)?;
    let router = ops::update(request.caller(), tx, router, change)?;
    api::shown(request, tx, &router, view)
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let router = found(request, tx)?;
    api::check_revision(request, &router)?;
    ops::delete(request.caller(), tx, router)?;
    Ok(Reply::empty(204))
}

fn found(request: &Request, tx: &mut Tx<'_>) -> Result<Stored<Router>, Error> {
    ops::show(request.caller(), tx, resource::id::<Router, _>(request.param("id"))?)
}

fn add_interface(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let router = found(request, tx)?;
    let id = router.id;
    let (port, subnet) = ops::add_interface(request.caller(), tx, router, interface(request)?)?;
    Ok(Reply::ok(leg_view(id, &port, subnet)))
}

fn remove_interface(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let router = found(request, tx)?;
    let id = router.id;
    let (port, subnet) = ops::remove_interface(request.caller(), tx, router, interface(request)?)?;
    Ok(Reply::ok(leg_view(id, &port, subnet)))
}

fn interface(request: &Request) -> Result<Interface, Error> {
    let mut fields = Fields::new("", request.json()?)?;
    let (subnet, port) = (fields.text("subnet_id")?, fields.text("port_id")?);
    // Some clients repeat the router.
    fields.take("router_id");
    finish(fields)?;
    Ok(Interface {
        subnet_id: subnet.map(|id| resource::id::<Subnet, _>(&id)).transpose()?,
        port_id: port.map(|id| resource::id::<Port, _>(&id)).transpose()?,
    })
}

fn leg_view(router: types::RouterId, port: &Stored<Port>, subnet: types::SubnetId) -> Json {
    let subnets: Vec<_> = port.fixed_ips.iter().map(|fixed| fixed.subnet_id).collect();
    json!({
        "id": router,
        "project_id": port.standard.project_id,
        "tenant_id": port.standard.project_id,
        "port_id": port.id,
        "network_id": port.network_id,
        "subnet_id": subnet,
        "subnet_ids": subnets,
        "tags": [],
    })
}

fn add_routes(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let routes = extra_routes(request)?;
    let router = found(request, tx)?;
    let router = ops::add_routes(request.caller(), tx, router, routes)?;
    api::shown(request, tx, &router, view)
}

fn remove_routes(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let routes = extra_routes(request)?;
    let router = found(request, tx)?;
    let router = ops::remove_routes(request.caller(), tx, router, &routes)?;
    api::shown(request, tx, &router, view)
}

fn extra_routes(request: &Request) -> Result<Vec<HostRoute>, Error> {
    let mut fields = api::change_fields::<Router>(request)?;
    let routes = take_routes(&mut fields, "routes")?.unwrap_or_default();
    finish(fields)?;
    Ok(routes)
}

fn draft(mut fields: Fields) -> Result<RouterDraft, Error> {
    let draft = RouterDraft {
        project_id: take_project(&mut fields)?,
        label: take_label(&mut fields)?,
        admin_up: fields.flag("admin_state_up")?,
        gateway: gateway(&mut fields)?,
    };
    availability_zone::take_hints(&mut fields)?;
    refuse_kinds(&mut fields)?;
    finish(fields)?;
    Ok(draft)
}

fn change(mut fields: Fields) -> Result<RouterChange, Error> {
    let routes = match fields.take("routes") {
        None => None,
        // Null empties the list.
        Some(Json::Null) => Some(Vec::new()),
        Some(list) => {
            let mut one = Fields::new("router", json!({"routes": list}))?;
            take_routes(&mut one, "routes")?
        }
    };
    let change = RouterChange {
        label: take_label(&mut fields)?,
        admin_up: fields.flag("admin_state_up")?,
        gateway: gateway(&mut fields)?,
        routes,
    };
    refuse_kinds(&mut fields)?;
    finish(fields)?;
    Ok(change)
}

/// There is one kind of router; a client that asks for another must not think it has it.
fn refuse_kinds(fields: &mut Fields) -> Result<(), Error> {
    for kind in ["distributed", "ha"] {
        if fields.flag(kind)? == Some(true) {
            return Err(Error::invalid(kind, format!("there are no routers of the kind '{kind}'")));
        }
    }
    Ok(())
}

fn gateway(fields: &mut Fields) -> Result<Option<GatewayWish>, Error> {
    if !fields.has("external_gateway_info") {
        return Ok(None);
    }
    let Some(mut way) = fields.object("external_gateway_info")? else {
        return Ok(Some(GatewayWish::default()));
    };
    let network = way.text("network_id")?;
    let wish = GatewayWish {
        network_id: network.map(|id| resource::id::<Network, _>(&id)).transpose()?,
        snat: way.flag("enable_snat")?,
        fixed_ips: fixed_ips(&mut way)?,
    };
    finish(way)?;
    Ok(Some(wish))
}

fn fixed_ips(way: &mut Fields) -> Result<Option<Vec<FixedIpWish>>, Error> {
    let Some(list) = way.objects("external_fixed_ips")? else { return Ok(None) };
    let wishes = list.into_iter().map(|mut item| {
        let subnet = item.text("subnet_id")?;
        let wish = FixedIpWish {
            subnet_id: subnet.map(|id| resource::id::<Subnet, _>(&id)).transpose()?,
            ip: item.parse("ip_address")?,
        };
        finish(item)?;
        Ok(wish)
    });
    let wishes: Vec<FixedIpWish> = wishes.collect::<Result<_, Error>>()?;
    Ok(Some(wishes).filter(|wishes| !wishes.is_empty()))
}

/// What clients see of a router.
pub(crate) fn view(_caller: &Caller, tx: &mut Tx<'_>, router: &Stored<Router>) -> Result<Json, Error> {
    let gateway = match &router.gateway {
        None => Json::Null,
        Some(gateway) => {
            let port = PORTS.load(tx, gateway.port_id)?;
            let fixed = port.iter().flat_map(|port| &port.fixed_ips);
            let fixed: Vec<Json> =
                fixed.map(|f| json!({"subnet_id": f.subnet_id, "ip_address": f.ip})).collect();
            json!({
                "network_id": gateway.network_id,
                "enable_snat": gateway.snat,
                "external_fixed_ips": fixed,
            })
        }
    };
    let own = json!({
        "id": router.id,
        "status": router.status(),
        "admin_state_up": router.admin_up,
        "external_gateway_info": gateway,
        "routes": routes_view(&router.routes),
        "availability_zone_hints": [],
        "availability_zones": [availability_zone::NAME],
    });
    Ok(api::with_standard(router, own))
}
