//! Subnets over HTTP.

use std::net::IpAddr;

use agent_api::network::Ipv6Mode;
use policy::Caller;
use rest::{Fields, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Stored, Tx};
use types::{AddressFamily, IpNet, IpRange};

use super::model::mode_name;
use super::{GatewayWish, HostRoute, Origin, Subnet, SubnetChange, SubnetDraft, ops};
use crate::api::{self, finish, take_label, take_prefix, take_project};
use crate::{Error, resource};

pub(crate) fn routes() -> Routes {
    let one = &api::path::<Subnet>("/{id}");
    Routes::new()
        .get(&api::path::<Subnet>(""), list)
        .post(&api::path::<Subnet>(""), create)
        .get(one, show)
        .put(one, update)
        .delete(one, delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let scope = ops::scope(request.caller(), tx)?;
    let columns = [("id", "id"), ("name", "name"), ("network_id", "network_id"), ("cidr", "cidr")];
    api::listed(request, tx, scope, &columns, view)
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let create = |tx: &mut Tx<'_>, fields| ops::create(request.caller(), tx, draft(fields)?);
    api::create_each(request, tx, create, view)
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let subnet = found(request, tx)?;
    api::shown(request, tx, &subnet, view)
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let change = change(api::change_fields::<Subnet>(request)?)?;
    let subnet = found(request, tx)?;
    api::check_revision(request, &subnet)?;
    let subnet = ops::update(request.caller(), tx, subnet, change)?;
    api::shown(request, tx, &subnet, view)
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let subnet = found(request, tx)?;
    api::check_revision(request, &subnet)?;
    ops::delete(request.caller(), tx, &subnet)?;
    Ok(Reply::empty(204))
}

fn found(request: &Request, tx: &mut Tx<'_>) -> Result<Stored<Subnet>, Error> {
    ops::show(request.caller(), tx, resource::id::<Subnet, _>(request.param("id"))?)
}

fn draft(mut fields: Fields) -> Result<SubnetDraft, Error> {
    let network = fields.required_text("network_id")?;
    let family = family(&mut fields)?;
    let origin = origin(&mut fields, family)?;
    let ipv6_modes = (mode(&mut fields, "ipv6_ra_mode")?, mode(&mut fields, "ipv6_address_mode")?);
    let draft = SubnetDraft {
        project_id: take_project(&mut fields)?,
        label: take_label(&mut fields)?,
        network_id: resource::id::<crate::network::Network, _>(&network)?,
        gateway: gateway(&mut fields)?,
        allocation_pools: pools(&mut fields)?,
        dns_servers: dns_servers(&mut fields)?.unwrap_or_default(),
        host_routes: host_routes(&mut fields)?.unwrap_or_default(),
        dhcp: fields.flag("enable_dhcp")?.unwrap_or(true),
        ipv6_ra_mode: ipv6_modes.0,
        ipv6_address_mode: ipv6_modes.1,
        origin,
    };
    finish(fields)?;
    Ok(draft)
}

fn change(mut fields: Fields) -> Result<SubnetChange, Error> {
    let change = SubnetChange {
        label: take_label(&mut fields)?,
        gateway: gateway(&mut fields)?,
        allocation_pools: pools(&mut fields)?,
        dns_servers: dns_servers(&mut fields)?,
        host_routes: host_routes(&mut fields)?,
        dhcp: fields.flag("enable_dhcp")?,
    };
    finish(fields)?;
    Ok(change)
}

/// Takes `ip_version`.
pub(crate) fn family(fields: &mut Fields) -> Result<Option<AddressFamily>, Error> {
    match fields.int("ip_version")? {
        None => Ok(None),
        Some(4) => Ok(Some(AddressFamily::V4)),
        Some(6) => Ok(Some(AddressFamily::V6)),
        Some(other) => Err(Error::invalid("ip_version", format!("'{other}' is not in [4, 6]"))),
    }
}

fn origin(fields: &mut Fields, family: Option<AddressFamily>) -> Result<Origin, Error> {
    let cidr = take_prefix(fields, "cidr")?;
    let length = fields.int_in("prefixlen", 0, 128)?.map(|length| u8::try_from(length).unwrap_or(0));
    let pool = fields.text("subnetpool_id")?;
    let default = fields.flag("use_default_subnetpool")?.unwrap_or(false);
    let refused = |resource, reason: &str| Err(Error::BadRequest { resource, reason: reason.to_owned() });
    if let (Some(cidr), Some(family)) = (cidr, family)
        && AddressFamily::of(cidr.addr()) != family
    {
        return Err(Error::input(format!(
            "cidr '{cidr}' does not match the ip_version '{}'",
            family.version()
        )));
    }
    if cidr.is_some() && length.is_some() {
        return refused("subnets", "cidr and prefixlen must not be supplied together");
    }
    match (pool, default, cidr, family) {
        (Some(_), true, ..) => {
            refused("subnets", "subnetpool_id and use_default_subnetpool cannot both be specified")
        }
        (Some(pool), false, cidr, _) => {
            let pool = resource::id::<crate::subnet_pool::SubnetPool, _>(&pool)?;
            Ok(Origin::Pool { pool, cidr: cidr.map(|net| net.trunc()), length })
        }
        (None, true, None, Some(family)) => Ok(Origin::DefaultPool { family, length }),
        (None, _, None, None) => {
            refused("subnets", "ip_version must be specified in the absence of cidr and subnetpool_id")
        }
        (None, _, Some(cidr), Some(_)) => Ok(Origin::Given(cidr.trunc())),
        (None, _, Some(_), None) => Err(Error::HTTPBadRequest {
            reason: "Failed to parse request. Required attribute 'ip_version' not specified".to_owned(),
        }),
        (None, false, None, Some(_)) => {
            refused("subnets", "a subnetpool must be specified in the absence of a cidr")
        }
    }
}

fn gateway(fields: &mut Fields) -> Result<GatewayWish, Error> {
    Ok(match fields.nullable_parse::<IpAddr>("gateway_ip")? {
        None => GatewayWish::Usual,
        Some(None) => GatewayWish::None,
        // The unspecified address also says that there is none.
        Some(Some(ip)) if ip.is_unspecified() => GatewayWish::None,
        Some(Some(ip)) => GatewayWish::At(ip),
    })
}

fn pools(fields: &mut Fields) -> Result<Option<Vec<IpRange>>, Error> {
    let Some(list) = fields.objects("allocation_pools")? else { return Ok(None) };
    let pools = list.into_iter().map(|mut pool| {
        let bad = || Error::invalid("allocation_pools", "a pool needs a start and an end address");
        let range = IpRange {
            start: pool.parse("start")?.ok_or_else(bad)?,
            end: pool.parse("end")?.ok_or_else(bad)?,
        };
        finish(pool)?;
        Ok(range)
    });
    pools.collect::<Result<_, Error>>().map(Some)
}

fn dns_servers(fields: &mut Fields) -> Result<Option<Vec<IpAddr>>, Error> {
    let Some(texts) = fields.texts("dns_nameservers")? else { return Ok(None) };
    let mut servers = Vec::with_capacity(texts.len());
    for text in texts {
        let bad = || Error::invalid("dns_nameservers", format!("'{text}' is not a valid nameserver"));
        let server: IpAddr = text.parse().map_err(|_| bad())?;
        if servers.contains(&server) {
            return Err(Error::invalid("dns_nameservers", format!("Duplicate nameserver '{text}'")));
        }
        servers.push(server);
    }
    Ok(Some(servers))
}

fn host_routes(fields: &mut Fields) -> Result<Option<Vec<HostRoute>>, Error> {
    take_routes(fields, "host_routes")
}

/// Takes a list of routes.
pub(crate) fn take_routes(fields: &mut Fields, name: &str) -> Result<Option<Vec<HostRoute>>, Error> {
    let Some(list) = fields.objects(name)? else { return Ok(None) };
    let mut routes: Vec<HostRoute> = Vec::with_capacity(list.len());
    for mut route in list {
        let bad = |reason: &str| Error::invalid(name, reason.to_owned());
        let destination: Option<IpNet> = take_prefix(&mut route, "destination")?;
        let next_hop: Option<IpAddr> = route.parse("nexthop")?;
        let (Some(destination), Some(next_hop)) = (destination, next_hop) else {
            return Err(bad("a route needs a destination and a nexthop"));
        };
        finish(route)?;
        let route = HostRoute { destination: destination.trunc(), next_hop };
        if routes.contains(&route) {
            return Err(bad("Duplicate hostroute"));
        }
        routes.push(route);
    }
    Ok(Some(routes))
}

fn mode(fields: &mut Fields, name: &str) -> Result<Option<Ipv6Mode>, Error> {
    match fields.text(name)?.as_deref() {
        None => Ok(None),
        Some("slaac") => Ok(Some(Ipv6Mode::Slaac)),
        Some("dhcpv6-stateless") => Ok(Some(Ipv6Mode::Dhcpv6Stateless)),
        Some("dhcpv6-stateful") => Ok(Some(Ipv6Mode::Dhcpv6Stateful)),
        Some(other) => Err(Error::invalid(
            name,
            format!("'{other}' is not in ['dhcpv6-stateful', 'dhcpv6-stateless', 'slaac']"),
        )),
    }
}

/// Routes as clients see them.
pub(crate) fn routes_view(routes: &[HostRoute]) -> Json {
    routes.iter().map(|r| json!({"destination": r.destination, "nexthop": r.next_hop})).collect()
}

/// What clients see of a subnet.
pub(crate) fn view(_caller: &Caller, _tx: &mut Tx<'_>, subnet: &Stored<Subnet>) -> Result<Json, Error> {
    let pools: Vec<Json> =
        subnet.allocation_pools.iter().map(|pool| json!({"start": pool.start, "end": pool.end})).collect();
    let own = json!({
        "id": subnet.id,
        "network_id": subnet.network_id,
        "ip_version": subnet.family().version(),
        "cidr": subnet.cidr,
        "gateway_ip": subnet.gateway,
        "allocation_pools": pools,
        "dns_nameservers": subnet.dns_servers,
        "host_routes": routes_view(&subnet.host_routes),
        "enable_dhcp": subnet.dhcp,
        "ipv6_ra_mode": subnet.ipv6_ra_mode.map(mode_name),
        "ipv6_address_mode": subnet.ipv6_address_mode.map(mode_name),
        "subnetpool_id": subnet.subnet_pool_id,
    });
    Ok(api::with_standard(subnet, own))
}
