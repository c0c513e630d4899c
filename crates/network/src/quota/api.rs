//! Quotas over HTTP.

use std::collections::BTreeMap;

use rest::{Fields, Reply, Request, Routes};
use serde_json::{Map, Value as Json, json};
use store::Tx;
use types::ProjectId;

use super::{Limited, Limits, ops};
use crate::Error;
use crate::api::finish;

pub(crate) fn routes() -> Routes {
    let one = "/v2.0/quotas/{project_id}";
    Routes::new()
        .get(one, show)
        .put(one, update)
        .delete(one, delete)
        .get("/v2.0/quotas/{project_id}/default", defaults)
        .get("/v2.0/quotas/{project_id}/details", details)
        // Clients that come from the time of `.json` paths ask like this.
        .get("/v2.0/quotas/{project_id}/details.json", details)
}

fn project(request: &Request) -> ProjectId {
    request.param("project_id").into()
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let limits = ops::show(request.caller(), tx, &project(request))?;
    Ok(Reply::ok(json!({"quota": view(&limits)})))
}

fn defaults(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project_id = project(request);
    ops::show(request.caller(), tx, &project_id)?;
    Ok(Reply::ok(json!({"quota": view(&Limits { project_id, set: BTreeMap::new() })})))
}

fn details(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project = project(request);
    let limits = ops::show(request.caller(), tx, &project)?;
    let mut quota = Map::new();
    for what in Limited::ALL {
        let used = ops::used(tx, &project, what)?;
        quota.insert(what.name().to_owned(), json!({"limit": limits.of(what), "used": used, "reserved": 0}));
    }
    Ok(Reply::ok(json!({"quota": quota})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields: Fields = request.fields("quota")?;
    // Some clients repeat whom it is about.
    fields.take("tenant_id");
    fields.take("project_id");
    fields.take("force");
    fields.take("check_limit");
    let mut change = BTreeMap::new();
    for what in Limited::ALL {
        if let Some(limit) = fields.int_in(what.name(), -1, i64::from(i32::MAX))? {
            change.insert(what, limit);
        }
    }
    finish(fields)?;
    let limits = ops::update(request.caller(), tx, &project(request), &change)?;
    Ok(Reply::ok(json!({"quota": view(&limits)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, &project(request))?;
    Ok(Reply::empty(204))
}

fn view(limits: &Limits) -> Json {
    Limited::ALL
        .iter()
        .map(|what| (what.name().to_owned(), json!(limits.of(*what))))
        .collect::<Map<_, _>>()
        .into()
}
