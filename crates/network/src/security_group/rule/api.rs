//! Rules over HTTP.

use policy::Caller;
use rest::{Fields, Method, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Stored, Tx};
use types::IpNet;

use crate::api::{self, finish, take_label, take_prefix, take_project};
use crate::security_group::model::Range;
use crate::security_group::{Direction, Ethertype, Protocol, Remote, Rule, RuleDraft, SecurityGroup, ops};
use crate::{Error, resource};

pub(crate) fn routes() -> Routes {
    let one = &api::path::<Rule>("/{id}");
    Routes::new()
        .write(Method::GET, &api::path::<Rule>(""), list)
        .post(&api::path::<Rule>(""), create)
        .get(one, show)
        .delete(one, delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    if let Some(project) = request.caller().project_id() {
        ops::ensure_default(tx, project)?;
    }
    let columns = [("id", "id"), ("security_group_id", "group_id")];
    api::listed(request, tx, ops::scope(request.caller()), &columns, view)
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let create = |tx: &mut Tx<'_>, fields| ops::create_rule(request.caller(), tx, &draft(fields)?);
    api::create_each(request, tx, create, view)
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let rule = found(request, tx)?;
    api::shown(request, tx, &rule, view)
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let rule = found(request, tx)?;
    ops::delete_rule(request.caller(), tx, &rule)?;
    Ok(Reply::empty(204))
}

fn found(request: &Request, tx: &mut Tx<'_>) -> Result<Stored<Rule>, Error> {
    ops::show_rule(request.caller(), tx, resource::id::<Rule, _>(request.param("id"))?)
}

fn draft(mut fields: Fields) -> Result<RuleDraft, Error> {
    let direction = match fields.required_text("direction")?.as_str() {
        "ingress" => Direction::Ingress,
        "egress" => Direction::Egress,
        other => {
            return Err(Error::invalid("direction", format!("'{other}' is not in ['ingress', 'egress']")));
        }
    };
    let ethertype = match fields.text("ethertype")?.as_deref() {
        None => Ethertype::V4,
        Some(text) if text.eq_ignore_ascii_case("ipv4") => Ethertype::V4,
        Some(text) if text.eq_ignore_ascii_case("ipv6") => Ethertype::V6,
        Some(other) => {
            return Err(Error::invalid("ethertype", format!("'{other}' is not in ['IPv4', 'IPv6']")));
        }
    };
    let draft = RuleDraft {
        project_id: take_project(&mut fields)?,
        label: take_label(&mut fields)?,
        group_id: resource::id::<SecurityGroup, _>(&fields.required_text("security_group_id")?)?,
        direction,
        ethertype,
        protocol: protocol(&mut fields)?,
        range: Range { min: fields.int("port_range_min")?, max: fields.int("port_range_max")? },
        remote: remote(&mut fields)?,
    };
    finish(fields)?;
    Ok(draft)
}

/// A protocol's name, or its number as text or as a number.
fn protocol(fields: &mut Fields) -> Result<Option<Protocol>, Error> {
    match fields.take("protocol") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Protocol::parse(&text),
        Some(other) => Protocol::parse(&other.to_string()),
    }
}

fn remote(fields: &mut Fields) -> Result<Option<Remote>, Error> {
    let prefix: Option<IpNet> = take_prefix(fields, "remote_ip_prefix")?;
    let group = fields.text("remote_group_id")?;
    // Clients send null for what they do not use.
    if let Some(other) = fields.text("remote_address_group_id")? {
        return Err(Error::invalid("remote_address_group_id", format!("there is no address group {other}")));
    }
    match (prefix, group) {
        (None, None) => Ok(None),
        (Some(prefix), None) => Ok(Some(Remote::Prefix(prefix))),
        (None, Some(group)) => Ok(Some(Remote::Group(resource::id::<SecurityGroup, _>(&group)?))),
        (Some(_), Some(_)) => Err(Error::SecurityGroupMultipleRemoteEntites {}),
    }
}

/// What clients see of a rule.
pub(crate) fn view(_caller: &Caller, _tx: &mut Tx<'_>, rule: &Stored<Rule>) -> Result<Json, Error> {
    let (prefix, group) = match &rule.allows.remote {
        None => (None, None),
        Some(Remote::Prefix(prefix)) => (Some(prefix), None),
        Some(Remote::Group(group)) => (None, Some(group)),
    };
    let own = json!({
        "id": rule.id,
        "security_group_id": rule.group_id,
        "direction": rule.allows.direction,
        "ethertype": rule.allows.ethertype.name(),
        "protocol": rule.allows.protocol.as_ref().map(|protocol| &protocol.spelled),
        "port_range_min": rule.allows.port_min,
        "port_range_max": rule.allows.port_max,
        "remote_ip_prefix": prefix,
        "normalized_cidr": prefix.map(IpNet::trunc),
        "remote_group_id": group,
        "remote_address_group_id": null,
    });
    let mut shown = api::with_standard(rule, own);
    if let Json::Object(all) = &mut shown {
        // A rule has no name.
        all.remove("name");
    }
    Ok(shown)
}
