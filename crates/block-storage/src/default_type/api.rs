//! Default types over HTTP.

use rest::{Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::{DefaultType, ops};
use crate::api::{project_in, required_in, since, sole_fields};
use crate::error::Error;

/// The first microversion that has default types.
const FIRST: Microversion = Microversion(3, 62);

/// The routes of default types.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/default-types", since(FIRST, index))
        .get("/default-types/{target}", since(FIRST, show))
        .put("/default-types/{target}", since(FIRST, set))
        .delete("/default-types/{target}", since(FIRST, unset))
}

fn view(chosen: &DefaultType) -> Json {
    json!({"project_id": chosen.project_id, "volume_type_id": chosen.volume_type_id})
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = ops::list(request.caller(), tx)?;
    let views: Vec<Json> = found.iter().map(|chosen| view(chosen)).collect();
    Ok(Reply::ok(json!({"default_types": views})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = ops::show(request.caller(), tx, &project_in(request)?)?;
    Ok(Reply::ok(json!({"default_type": view(&found)})))
}

fn set(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "default_type")?;
    let wanted = required_in(&mut fields, "volume_type")?;
    fields.finish()?;
    let chosen = ops::set(request.caller(), tx, &project_in(request)?, &wanted)?;
    Ok(Reply::ok(json!({"default_type": view(&chosen)})))
}

fn unset(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::unset(request.caller(), tx, &project_in(request)?)?;
    Ok(Reply::empty(204))
}
