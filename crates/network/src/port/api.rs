//! Ports over HTTP.

use std::net::IpAddr;

use policy::Caller;
use rest::{Fields, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Stored, Tx};
use types::{MacAddr, SecurityGroupId};

use super::{AddressPair, FixedIpWish, Port, PortChange, PortDraft, Status, ops};
use crate::api::{self, finish, parse_prefix, take_label, take_project, take_text};
use crate::network::Network;
use crate::resource::{self, allows};
use crate::security_group::SecurityGroup;
use crate::{Error, subnet::Subnet};

/// The longest `device_id`: it is the key of an index.
const DEVICE_ID_LEN_MAX: usize = 160;

pub(crate) fn routes() -> Routes {
    let one = &api::path::<Port>("/{id}");
    Routes::new()
        .get(&api::path::<Port>(""), list)
        .post(&api::path::<Port>(""), create)
        .get(one, show)
        .put(one, update)
        .delete(one, delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let scope = ops::scope(request.caller(), tx)?;
    let columns = [
        ("id", "id"),
        ("name", "name"),
        ("network_id", "network_id"),
        ("mac_address", "mac"),
        ("device_id", "device_id"),
        ("device_owner", "device_owner"),
    ];
    api::listed(request, tx, scope, &columns, view)
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let create = |tx: &mut Tx<'_>, fields| {
        let draft = draft(fields)?;
        ops::check_groups(request.caller(), tx, draft.wish.security_groups.as_deref().unwrap_or_default())?;
        ops::create(request.caller(), tx, draft)
    };
    api::create_each(request, tx, create, view)
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let port = found(request, tx)?;
    api::shown(request, tx, &port, view)
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = api::change_fields::<Port>(request)?;
    let change = wish(&mut fields)?;
    finish(fields)?;
    let port = found(request, tx)?;
    api::check_revision(request, &port)?;
    ops::check_groups(request.caller(), tx, change.security_groups.as_deref().unwrap_or_default())?;
    let port = ops::update(request.caller(), tx, port, change)?;
    api::shown(request, tx, &port, view)
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let port = found(request, tx)?;
    api::check_revision(request, &port)?;
    ops::delete(request.caller(), tx, port)?;
    Ok(Reply::empty(204))
}

fn found(request: &Request, tx: &mut Tx<'_>) -> Result<Stored<Port>, Error> {
    ops::show(request.caller(), tx, resource::id::<Port, _>(request.param("id"))?)
}

fn draft(mut fields: Fields) -> Result<PortDraft, Error> {
    let network = fields.required_text("network_id")?;
    let draft = PortDraft {
        project_id: take_project(&mut fields)?,
        network_id: resource::id::<Network, _>(&network)?,
        wish: wish(&mut fields)?,
    };
    finish(fields)?;
    Ok(draft)
}

fn wish(fields: &mut Fields) -> Result<PortChange, Error> {
    let wish = PortChange {
        label: take_label(fields)?,
        admin_up: fields.flag("admin_state_up")?,
        mac: mac(fields, "mac_address")?,
        fixed_ips: fixed_ips(fields)?,
        device_id: take_text(fields, "device_id")?,
        device_owner: take_text(fields, "device_owner")?,
        port_security: fields.flag("port_security_enabled")?,
        security_groups: security_groups(fields)?,
        address_pairs: address_pairs(fields)?,
        host: nullable_text(fields, "binding:host_id")?,
        profile: profile(fields)?,
    };
    if wish.device_id.as_ref().is_some_and(|id| id.len() > DEVICE_ID_LEN_MAX) {
        return Err(Error::invalid("device_id", format!("it exceeds maximum length of {DEVICE_ID_LEN_MAX}")));
    }
    match fields.text("binding:vnic_type")?.as_deref() {
        None | Some("normal") => Ok(wish),
        Some(other) => Err(Error::invalid("binding:vnic_type", format!("'{other}' is not in ['normal']"))),
    }
}

/// Takes a text for which null means the empty one.
fn nullable_text(fields: &mut Fields, name: &str) -> Result<Option<String>, Error> {
    Ok(fields.nullable_text(name)?.map(Option::unwrap_or_default))
}

fn mac(fields: &mut Fields, name: &str) -> Result<Option<MacAddr>, Error> {
    let Some(text) = fields.text(name)? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Error::invalid(name, format!("'{text}' is not a valid MAC address")))
}

fn fixed_ips(fields: &mut Fields) -> Result<Option<Vec<FixedIpWish>>, Error> {
    let Some(list) = fields.objects("fixed_ips")? else { return Ok(None) };
    let mut wishes: Vec<FixedIpWish> = Vec::with_capacity(list.len());
    for mut item in list {
        let subnet = item.text("subnet_id")?;
        let ip: Option<IpAddr> = item.parse("ip_address")?;
        finish(item)?;
        if ip.is_some() && wishes.iter().any(|known| known.ip == ip) {
            return Err(Error::invalid("fixed_ips", "the same address twice"));
        }
        let subnet_id = subnet.map(|id| resource::id::<Subnet, _>(&id)).transpose()?;
        wishes.push(FixedIpWish { subnet_id, ip });
    }
    Ok(Some(wishes))
}

fn security_groups(fields: &mut Fields) -> Result<Option<Vec<SecurityGroupId>>, Error> {
    // Null means none, unlike absence.
    if fields.has("security_groups") {
        let texts = fields.texts("security_groups")?.unwrap_or_default();
        let mut ids: Vec<SecurityGroupId> = Vec::with_capacity(texts.len());
        for text in texts {
            let id = resource::id::<SecurityGroup, _>(&text)?;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        return Ok(Some(ids));
    }
    Ok(None)
}

fn address_pairs(fields: &mut Fields) -> Result<Option<Vec<AddressPair>>, Error> {
    let Some(list) = fields.objects("allowed_address_pairs")? else { return Ok(None) };
    let pairs = list.into_iter().map(|mut item| {
        let text = item.text("ip_address")?;
        let text = text.ok_or_else(|| Error::input("AllowedAddressPair must contain ip_address"))?;
        let bad = || {
            Error::invalid("allowed_address_pairs", format!("'{text}' is not a valid IP address or subnet"))
        };
        let pair =
            AddressPair { prefix: parse_prefix(&text).ok_or_else(bad)?, mac: mac(&mut item, "mac_address")? };
        finish(item)?;
        Ok(pair)
    });
    pairs.collect::<Result<_, Error>>().map(Some)
}

fn profile(fields: &mut Fields) -> Result<Option<String>, Error> {
    match fields.take("binding:profile") {
        None => Ok(None),
        Some(Json::Null) => Ok(Some(String::new())),
        Some(profile @ Json::Object(_)) => Ok(Some(profile.to_string())),
        Some(other) => Err(Error::invalid("binding:profile", format!("'{other}' is not a dictionary"))),
    }
}

/// What clients see of a port.
pub(crate) fn view(caller: &Caller, _tx: &mut Tx<'_>, port: &Stored<Port>) -> Result<Json, Error> {
    let fixed_ips: Vec<Json> =
        port.fixed_ips.iter().map(|f| json!({"subnet_id": f.subnet_id, "ip_address": f.ip})).collect();
    let mut own = json!({
        "id": port.id,
        "network_id": port.network_id,
        "mac_address": port.mac,
        "admin_state_up": port.admin_up,
        "status": status_name(port.status()),
        "device_id": port.device.id,
        "device_owner": port.device.owner,
        "fixed_ips": fixed_ips,
        "port_security_enabled": port.plug.port_security,
        "security_groups": port.plug.security_groups,
        "allowed_address_pairs": port.plug.address_pairs.iter().map(|pair| pair_view(port, pair)).collect::<Vec<_>>(),
        "binding:vnic_type": "normal",
    });
    if allows(caller, "get_port:binding:host_id", &port.standard.project_id) {
        own["binding:host_id"] = json!(port.host().map_or("", |host| host.as_str()));
        own["binding:profile"] = serde_json::from_str(&port.profile).unwrap_or_else(|_| json!({}));
        own["binding:vif_type"] = json!(if port.binding.is_some() { "bridge" } else { "unbound" });
        own["binding:vif_details"] = json!({});
    }
    Ok(api::with_standard(port, own))
}

/// The API's word for a port's state.
pub(crate) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Active => "ACTIVE",
        Status::Build => "BUILD",
        Status::Down => "DOWN",
        Status::NotApplicable => "N/A",
    }
}

fn pair_view(port: &Port, pair: &AddressPair) -> Json {
    let single = pair.prefix.prefix_len() == pair.prefix.max_prefix_len();
    let ip = if single { pair.prefix.addr().to_string() } else { pair.prefix.to_string() };
    json!({"ip_address": ip, "mac_address": pair.mac.unwrap_or(port.mac)})
}
