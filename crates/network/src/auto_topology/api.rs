//! Auto-allocated topologies over HTTP.

use rest::{Method, Reply, Request, Routes};
use serde_json::json;
use store::Tx;
use types::ProjectId;

use super::ops;
use crate::Error;
use crate::resource;

pub(crate) fn routes() -> Routes {
    let one = "/v2.0/auto-allocated-topology/{project_id}";
    // To ask for a topology is to have it.
    Routes::new().write(Method::GET, one, show).delete(one, delete)
}

/// The project meant: some clients spell their own as `None`.
fn project(request: &Request) -> Result<ProjectId, Error> {
    match (request.param("project_id"), request.caller().project_id()) {
        ("None" | "null", Some(own)) => Ok(own.clone()),
        (named, Some(own)) if named == own.as_str() => Ok(own.clone()),
        (named, _) => resource::owner(request.caller(), Some(named.into())),
    }
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project = project(request)?;
    let dry_run = request.queries("fields").any(|field| field == "dry-run");
    let id = if dry_run {
        resource::check(request.caller(), "get_auto_allocated_topology", &project)?;
        ops::check_possible(tx)?;
        "dry-run=pass".to_owned()
    } else {
        ops::ensure_for(request.caller(), tx, &project)?.to_string()
    };
    let topology = json!({"id": id, "project_id": project, "tenant_id": project});
    Ok(Reply::ok(json!({"auto_allocated_topology": topology})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, &project(request)?)?;
    Ok(Reply::empty(204))
}
