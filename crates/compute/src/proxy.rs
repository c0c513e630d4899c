//! `os-security-groups` and their rules: the network service's, in the words of the compute API before 2.36.

use network::resource::Label;
use network::security_group::ops as groups;
use network::security_group::{
    Direction, Ethertype, Protocol, Range, Remote, Rule, RuleDraft, SecurityGroup, SecurityGroupDraft,
};
use rest::{Fields, InvalidBody, Method, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Stored, Tx};
use types::{AddressFamily, IpNet, SecurityGroupId};

use crate::{Error, body, microversion};

/// Who may reach anything, in each family.
const ANYBODY: [(AddressFamily, &str); 2] = [(AddressFamily::V4, "0.0.0.0/0"), (AddressFamily::V6, "::/0")];

pub(crate) fn routes() -> Routes {
    Routes::new()
        .write(Method::GET, "/os-security-groups", list)
        .post("/os-security-groups", create)
        .get("/os-security-groups/{id}", show)
        .put("/os-security-groups/{id}", update)
        .delete("/os-security-groups/{id}", delete)
        .post("/os-security-group-rules", create_rule)
        .delete("/os-security-group-rules/{id}", delete_rule)
}

fn check_version(request: &Request) -> Result<(), Error> {
    if request.version >= microversion::NO_PROXIES { Err(body::no_such_route()) } else { Ok(()) }
}

/// What the path or the body names is not there.
fn missing(error: network::Error) -> Error {
    use rest::Fault;
    match error.status() {
        404 => Error::NotFound(error.message()),
        _ => error.into(),
    }
}

fn load(request: &Request, tx: &mut Tx<'_>) -> Result<Stored<SecurityGroup>, Error> {
    check_version(request)?;
    let id = request.param("id");
    let invalid = |_| Error::Invalid(format!("Security group id should be uuid: {id}"));
    let id: SecurityGroupId = id.parse().map_err(invalid)?;
    groups::show(request.caller(), tx, id).map_err(missing)
}

fn view(request: &Request, tx: &mut Tx<'_>, group: &SecurityGroup) -> Result<Json, Error> {
    let mut rules = Vec::new();
    for rule in groups::rules(request.caller(), tx, group.id)? {
        if rule.allows.direction == Direction::Ingress {
            rules.push(rule_view(request, tx, &rule)?);
        }
    }
    Ok(json!({
        "id": group.id.to_string(),
        "name": group.standard.name,
        "description": group.standard.description,
        "tenant_id": group.standard.project_id,
        "rules": rules,
    }))
}

fn rule_view(request: &Request, tx: &mut Tx<'_>, rule: &Rule) -> Result<Json, Error> {
    let family = rule.allows.ethertype.family();
    let anybody = ANYBODY.iter().find(|(known, _)| *known == family).map_or("", |(_, cidr)| cidr);
    let (group, range) = match &rule.allows.remote {
        Some(Remote::Group(id)) => match groups::show(request.caller(), tx, *id) {
            Ok(group) => {
                (json!({"name": group.standard.name, "tenant_id": group.standard.project_id}), json!({}))
            }
            Err(_) => (json!({}), json!({})),
        },
        Some(Remote::Prefix(prefix)) => (json!({}), json!({"cidr": prefix.to_string()})),
        None => (json!({}), json!({"cidr": anybody})),
    };
    Ok(json!({
        "id": rule.id.to_string(),
        "parent_group_id": rule.group_id.to_string(),
        "ip_protocol": rule.allows.protocol.as_ref().map(|protocol| &protocol.spelled),
        "from_port": rule.allows.port_min.map_or(-1, i64::from),
        "to_port": rule.allows.port_max.map_or(-1, i64::from),
        "group": group,
        "ip_range": range,
    }))
}

/// Listing makes the project's default group if there is none yet, so it writes.
fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    check_version(request)?;
    let mut found = groups::list(request.caller(), tx)?;
    found.sort_by(|a, b| a.standard.name.cmp(&b.standard.name).then(a.id.cmp(&b.id)));
    let mut views = Vec::with_capacity(found.len());
    for group in &found {
        views.push(view(request, tx, group)?);
    }
    Ok(Reply::ok(json!({"security_groups": views})))
}

fn label(request: &Request) -> Result<Label, Error> {
    let mut fields = request.fields("security_group")?;
    let name = body::name(&mut fields, "name")?.ok_or_else(|| fields.error("name", "is required"))?;
    let description = fields.text("description")?.unwrap_or_default();
    fields.finish()?;
    if description.chars().count() > 255 {
        return Err(InvalidBody::at("description", "is longer than 255 characters").into());
    }
    Ok(Label { name: Some(name), description: Some(description) })
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    check_version(request)?;
    let draft = SecurityGroupDraft { project_id: None, label: label(request)? };
    let group = groups::create(request.caller(), tx, draft)?;
    Ok(Reply::ok(json!({"security_group": view(request, tx, &group)?})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let group = load(request, tx)?;
    Ok(Reply::ok(json!({"security_group": view(request, tx, &group)?})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let group = load(request, tx)?;
    let group = groups::update(request.caller(), tx, group, label(request)?)?;
    Ok(Reply::ok(json!({"security_group": view(request, tx, &group)?})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let group = load(request, tx)?;
    groups::delete(request.caller(), tx, &group)?;
    Ok(Reply::empty(202))
}

fn create_rule(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    check_version(request)?;
    let mut fields = request.fields("security_group_rule")?;
    let parent: SecurityGroupId =
        fields.parse("parent_group_id")?.ok_or_else(|| fields.error("parent_group_id", "is required"))?;
    let draft = rule_draft(&mut fields, parent)?;
    fields.finish()?;
    let rule = groups::create_rule(request.caller(), tx, &draft).map_err(missing)?;
    Ok(Reply::ok(json!({"security_group_rule": rule_view(request, tx, &rule)?})))
}

fn rule_draft(fields: &mut Fields, group_id: SecurityGroupId) -> Result<RuleDraft, Error> {
    let prefix: Option<IpNet> = fields.parse("cidr")?;
    let group: Option<SecurityGroupId> = fields.parse("group_id")?;
    let protocol = fields.text("ip_protocol")?;
    // -1 meant any to the firewall of old.
    let port = |n: Option<i64>| n.filter(|n| *n >= 0);
    let range = Range { min: port(fields.int("from_port")?), max: port(fields.int("to_port")?) };
    if protocol.is_none() && group.is_none() {
        return Err(Error::Invalid("Not enough parameters to build a valid rule.".to_owned()));
    }
    let ethertype = if matches!(prefix, Some(IpNet::V6(_))) { Ethertype::V6 } else { Ethertype::V4 };
    let remote = match (group, prefix) {
        (Some(id), _) => Some(Remote::Group(id)),
        (None, Some(prefix)) if prefix.prefix_len() > 0 => Some(Remote::Prefix(prefix)),
        (None, _) => None,
    };
    let protocol = protocol.map(|text| Protocol::parse(&text)).transpose()?.flatten();
    let direction = Direction::Ingress;
    let label = Label::default();
    Ok(RuleDraft { project_id: None, label, group_id, direction, ethertype, protocol, range, remote })
}

fn delete_rule(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    check_version(request)?;
    let id = request.param("id");
    let invalid = |_| Error::Invalid(format!("Security group rule id should be uuid: {id}"));
    let rule = groups::show_rule(request.caller(), tx, id.parse().map_err(invalid)?).map_err(missing)?;
    groups::delete_rule(request.caller(), tx, &rule)?;
    Ok(Reply::empty(202))
}
