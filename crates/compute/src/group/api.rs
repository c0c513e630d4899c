//! Server groups over HTTP.

use ::store::Tx;
use rest::{Fields, Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};

use super::{GroupPolicy, ServerGroup, ops};
use crate::{Error, body, links, microversion};

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/os-server-groups", list)
        .post("/os-server-groups", create)
        .get("/os-server-groups/{id}", show)
        .delete("/os-server-groups/{id}", delete)
}

fn view(tx: &mut Tx<'_>, group: &ServerGroup, version: Microversion) -> Result<Json, Error> {
    let mut view = json!({
        "id": group.id.to_string(),
        "name": group.name,
        "members": ops::members(tx, group.id)?,
    });
    if version >= microversion::GROUP_POLICY {
        view["policy"] = json!(group.policy.name());
        view["rules"] = json!({});
    } else {
        view["policies"] = json!([group.policy.name()]);
        view["metadata"] = json!({});
    }
    if version >= microversion::GROUP_OWNER {
        view["project_id"] = json!(group.project_id);
        view["user_id"] = json!(group.user_id);
    }
    Ok(view)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    if request.version >= microversion::STRICT_QUERIES {
        body::only_queries(request, &["all_projects", "limit", "offset"])?;
    }
    let groups = ops::list(request.caller(), tx, request.query("all_projects").is_some())?;
    let number = |name: &str, default: usize| match request.query(name) {
        None => Ok(default),
        Some(text) => {
            text.parse().map_err(|_| Error::Invalid(format!("{name} must be a non-negative integer")))
        }
    };
    let (limit, offset) = (number("limit", links::PAGE_MAX as usize)?, number("offset", 0)?);
    let mut views = Vec::new();
    for group in groups.iter().skip(offset).take(limit) {
        views.push(view(tx, group, request.version)?);
    }
    Ok(Reply::ok(json!({"server_groups": views})))
}

fn policy_of(fields: &mut Fields, version: Microversion) -> Result<GroupPolicy, Error> {
    let name = if version >= microversion::GROUP_POLICY {
        let name = fields.required_text("policy")?;
        if let Some(rules) = fields.object("rules")?
            && !rules.left().is_empty()
        {
            return Err(Error::Invalid("Rules of a server group are not built.".to_owned()));
        }
        name
    } else {
        let names = fields.texts("policies")?.unwrap_or_default();
        match names.as_slice() {
            [name] => name.clone(),
            _ => {
                return Err(Error::Invalid(
                    "Invalid input for field/attribute policies. It names exactly one policy".to_owned(),
                ));
            }
        }
    };
    let known = GroupPolicy::ALL.iter().find(|(_, known)| *known == name);
    let policy = known
        .map(|(policy, _)| *policy)
        .filter(|policy| !policy.is_soft() || version >= microversion::GROUP_SOFT);
    policy.ok_or_else(|| {
        Error::Invalid(format!(
            "Invalid input for field/attribute policy. '{name}' is not one of the policies"
        ))
    })
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("server_group")?;
    let name = body::name(&mut fields, "name")?.ok_or_else(|| fields.error("name", "is required"))?;
    let policy = policy_of(&mut fields, request.version)?;
    fields.finish()?;
    let group = ops::create(request.caller(), tx, name, policy)?;
    Ok(Reply::ok(json!({"server_group": view(tx, &group, request.version)?})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let group = ops::load("show", request.caller(), tx, request.param("id"))?;
    Ok(Reply::ok(json!({"server_group": view(tx, &group, request.version)?})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("id"))?;
    Ok(Reply::empty(204))
}
