//! What can be done with routers.

use policy::Caller;
use store::{Select, Stored, Tx};
use types::RouterId;

pub use super::interface::{add as add_interface, remove as remove_interface};
use super::model::ROUTES_MAX;
use super::{GatewayWish, KIND, Phase, Router, RouterChange, RouterDraft, gateway, store as rows};
use crate::port::{self, Port, ROUTER_INTERFACE};
use crate::resource::{self, Standard, allows, check};
use crate::subnet::{self, HostRoute};
use crate::{Error, quota};

/// Creates a router.
pub fn create(caller: &Caller, tx: &mut Tx<'_>, draft: RouterDraft) -> Result<Stored<Router>, Error> {
    let project = resource::owner(caller, draft.project_id)?;
    check(caller, "create_router", &project)?;
    if let Some(wish) = &draft.gateway {
        check_gateway(caller, "create_router", wish)?;
    }
    quota::check(tx, &project, quota::Limited::Router, 1)?;
    let router = Router {
        id: runtime::new_uuid().into(),
        standard: Standard::new(tx, project, draft.label),
        admin_up: draft.admin_up.unwrap_or(true),
        gateway: None,
        routes: Vec::new(),
        host: None,
        phase: Phase::Idle,
        deleted: false,
    };
    let router = rows::ROUTERS.insert(tx, router)?;
    match draft.gateway {
        Some(wish) => gateway::set(caller, tx, router, wish),
        None => Ok(router),
    }
}

/// How the gateway is made in detail is the administrator's to say.
fn check_gateway(caller: &Caller, rule: &str, wish: &GatewayWish) -> Result<(), Error> {
    let asked = [("enable_snat", wish.snat.is_some()), ("external_fixed_ips", wish.fixed_ips.is_some())];
    for (attribute, _) in asked.iter().filter(|(_, is_asked)| *is_asked) {
        let rule = format!("{rule}:external_gateway_info:{attribute}");
        crate::policies::RULES.check(&rule, caller, &policy::Target::default())?;
    }
    Ok(())
}

/// The router of this id, if the caller may see it.
pub fn show(caller: &Caller, tx: &mut Tx<'_>, id: RouterId) -> Result<Stored<Router>, Error> {
    let router = resource::load::<Router>(tx, id)?;
    if allows(caller, "get_router", &router.standard.project_id) {
        Ok(router)
    } else {
        Err(Error::RouterNotFound { id: id.to_string() })
    }
}

/// Which routers the caller may see.
pub(crate) fn scope(caller: &Caller) -> Select {
    match caller.project_id() {
        _ if caller.is_admin() => rows::live(),
        Some(project) => rows::live().eq("project_id", project.as_str()),
        None => rows::live().is_in("project_id", Vec::<String>::new()),
    }
}

/// Changes a router.
pub fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    mut router: Stored<Router>,
    change: RouterChange,
) -> Result<Stored<Router>, Error> {
    check(caller, "update_router", &router.standard.project_id)?;
    router.standard.relabel(tx, change.label);
    router.admin_up = change.admin_up.unwrap_or(router.admin_up);
    if let Some(wish) = change.gateway {
        check_gateway(caller, "update_router", &wish)?;
        router = gateway::set(caller, tx, router, wish)?;
    }
    if let Some(routes) = change.routes {
        check_routes(tx, &router, &routes)?;
        router.routes = routes;
    }
    save(tx, router)
}

/// Adds routes to what the router has; those it has already change nothing.
pub fn add_routes(
    caller: &Caller,
    tx: &mut Tx<'_>,
    mut router: Stored<Router>,
    routes: Vec<HostRoute>,
) -> Result<Stored<Router>, Error> {
    check(caller, "add_extraroutes", &router.standard.project_id)?;
    let new: Vec<HostRoute> = routes.into_iter().filter(|route| !router.routes.contains(route)).collect();
    router.routes.extend(new);
    check_routes(tx, &router, &router.routes)?;
    save(tx, router)
}

/// Takes routes from what the router has.
pub fn remove_routes(
    caller: &Caller,
    tx: &mut Tx<'_>,
    mut router: Stored<Router>,
    routes: &[HostRoute],
) -> Result<Stored<Router>, Error> {
    check(caller, "remove_extraroutes", &router.standard.project_id)?;
    router.routes.retain(|route| !routes.contains(route));
    save(tx, router)
}

/// Writes a changed router back and has its host look at it.
pub(super) fn save(tx: &mut Tx<'_>, mut router: Stored<Router>) -> Result<Stored<Router>, Error> {
    router.standard.updated_at = tx.now();
    rows::ROUTERS.save(tx, &mut router)?;
    tx.kick(KIND, router.id)?;
    Ok(router)
}

/// Deletes a router that has no legs but its gateway.
pub fn delete(caller: &Caller, tx: &mut Tx<'_>, mut router: Stored<Router>) -> Result<(), Error> {
    check(caller, "delete_router", &router.standard.project_id)?;
    let inside = rows::legs(tx, router.id)?.into_iter().any(|port| port.device.owner == ROUTER_INTERFACE);
    if inside {
        return Err(Error::RouterInUse { id: router.id.to_string(), reason: "still has ports".to_owned() });
    }
    router = gateway::clear(tx, router)?;
    router.deleted = true;
    save(tx, router).map(drop)
}

/// Every next hop must be somebody else on one of the router's legs.
fn check_routes(tx: &mut Tx<'_>, router: &Router, routes: &[HostRoute]) -> Result<(), Error> {
    if routes.len() > ROUTES_MAX {
        return Err(Error::RoutesExhausted { router: router.id.to_string(), max: ROUTES_MAX });
    }
    let legs = rows::legs(tx, router.id)?;
    let own: Vec<std::net::IpAddr> = legs.iter().flat_map(|leg| leg.addresses()).collect();
    let mut connected = Vec::new();
    for leg in &legs {
        connected.extend(subnets_of(tx, leg)?.into_iter().map(|subnet| subnet.cidr));
    }
    for HostRoute { next_hop, .. } in routes {
        let refused =
            |reason: &str| Err(Error::InvalidRoutes { reason: format!("the nexthop {next_hop} {reason}") });
        if !connected.iter().any(|cidr| cidr.contains(next_hop)) {
            return refused("is not connected with router");
        }
        if own.contains(next_hop) {
            return refused("is used by router");
        }
    }
    Ok(())
}

/// The subnets that a port has addresses of, in the order of the addresses.
pub(crate) fn subnets_of(tx: &mut Tx<'_>, port: &Port) -> Result<Vec<Stored<subnet::Subnet>>, Error> {
    let all = subnet::store::of_network(tx, port.network_id)?;
    let of = |fixed: &port::FixedIp| all.iter().find(|subnet| subnet.id == fixed.subnet_id).cloned();
    Ok(port.fixed_ips.iter().filter_map(of).collect())
}
