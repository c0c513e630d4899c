//! Security groups over HTTP.

use policy::Caller;
use rest::{Fields, Method, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Stored, Tx};

use super::{SecurityGroup, SecurityGroupDraft, ops, rule, store as rows};
use crate::api::{self, finish, take_label, take_project};
use crate::{Error, resource};

pub(crate) fn routes() -> Routes {
    let one = &api::path::<SecurityGroup>("/{id}");
    Routes::new()
        // The first look of a project at its groups makes the default one.
        .write(Method::GET, &api::path::<SecurityGroup>(""), list)
        .post(&api::path::<SecurityGroup>(""), create)
        .get(one, show)
        .put(one, update)
        .delete(one, delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    if let Some(project) = request.caller().project_id() {
        ops::ensure_default(tx, project)?;
    }
    let scope = ops::scope(request.caller());
    api::listed(request, tx, scope, &[("id", "id"), ("name", "name")], view)
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let create = |tx: &mut Tx<'_>, fields| ops::create(request.caller(), tx, draft(fields)?);
    api::create_each(request, tx, create, view)
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let group = found(request, tx)?;
    api::shown(request, tx, &group, view)
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = api::change_fields::<SecurityGroup>(request)?;
    let label = take_label(&mut fields)?;
    finish(fields)?;
    let group = found(request, tx)?;
    api::check_revision(request, &group)?;
    let group = ops::update(request.caller(), tx, group, label)?;
    api::shown(request, tx, &group, view)
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let group = found(request, tx)?;
    api::check_revision(request, &group)?;
    ops::delete(request.caller(), tx, &group)?;
    Ok(Reply::empty(204))
}

fn found(request: &Request, tx: &mut Tx<'_>) -> Result<Stored<SecurityGroup>, Error> {
    ops::show(request.caller(), tx, resource::id::<SecurityGroup, _>(request.param("id"))?)
}

fn draft(mut fields: Fields) -> Result<SecurityGroupDraft, Error> {
    let draft =
        SecurityGroupDraft { project_id: take_project(&mut fields)?, label: take_label(&mut fields)? };
    if fields.flag("stateful")? == Some(false) {
        return Err(Error::invalid("stateful", "security groups are stateful here"));
    }
    finish(fields)?;
    Ok(draft)
}

/// What clients see of a group.
pub(crate) fn view(caller: &Caller, tx: &mut Tx<'_>, group: &Stored<SecurityGroup>) -> Result<Json, Error> {
    let rules = rows::rules_of(tx, group.id)?;
    let rules: Vec<Json> = rules.iter().map(|r| rule::view(caller, tx, r)).collect::<Result<_, _>>()?;
    let own = json!({
        "id": group.id,
        "security_group_rules": rules,
        "stateful": true,
        "shared": false,
    });
    Ok(api::with_standard(group, own))
}
