//! What a project uses, over HTTP.

use std::sync::Arc;

use rest::{Reply, Request, Routes};
use serde_json::{Map, Value as Json, json};
use store::Tx;

use super::ops;
use crate::Shared;
use crate::error::Error;

/// The route of usage.
pub(crate) fn routes(shared: &Arc<Shared>) -> Routes {
    let shared = shared.clone();
    Routes::new().get("/v2/info/usage", move |request, tx| show(&shared, request, tx))
}

fn show(shared: &Shared, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let quotas = match request.caller().project_id() {
        Some(project) => ops::usage(tx, shared.config.limits, project)?,
        None => Default::default(),
    };
    let view = |(used, limit): (i64, i64)| json!({"usage": used, "limit": limit});
    let quotas: Map<String, Json> = quotas.into_iter().map(|(name, figures)| (name, view(figures))).collect();
    Ok(Reply::ok(json!({"usage": quotas})))
}
