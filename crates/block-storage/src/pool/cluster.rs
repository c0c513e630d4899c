//! Clusters of volume services over HTTP. There are none, and so Cinder answers that has none.

use rest::{Fields, Microversion, Reply, Request, Routes};
use serde_json::json;
use store::Tx;

use crate::api::{asked, required_in, since, text_in};
use crate::error::Error;
use crate::policy::{RULES, own};
use crate::service::VOLUME;

/// The first microversion that has clusters.
const FIRST: Microversion = Microversion(3, 7);
/// The first microversion that tells of their replication.
const REPLICATION: Microversion = Microversion(3, 26);
/// By what they can be filtered.
const FILTERS: [&str; 6] = ["name", "binary", "is_up", "disabled", "num_hosts", "num_down_hosts"];
/// And where their replication is told of.
const REPLICATION_FILTERS: [&str; 3] = ["replication_status", "frozen", "active_backend_id"];

/// The routes of clusters.
pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/clusters", since(FIRST, index))
        .get("/clusters/detail", since(FIRST, index))
        .get("/clusters/{name}", since(FIRST, show))
        .put("/clusters/enable", since(FIRST, |request, _tx| update(request, false)))
        .put("/clusters/disable", since(FIRST, |request, _tx| update(request, true)))
}

/// Cinder says by what it looked.
fn absent(name: &str, binary: &str) -> Error {
    Error::NoSuch(format!("Cluster {{'binary': '{binary}', 'name': '{name}'}} could not be found."))
}

fn index(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("clusters:get_all", request.caller(), &own(request.caller()))?;
    let known = |name: &str| {
        FILTERS.contains(&name) || (request.version >= REPLICATION && REPLICATION_FILTERS.contains(&name))
    };
    let names = request.query.iter().map(|(name, _)| name.as_str());
    let unknown: Vec<&str> = names.filter(|name| !known(name)).collect();
    if !unknown.is_empty() {
        let text = format!("Invalid input received: Invalid filter keys: {}", unknown.join(", "));
        return Err(Error::Invalid(text));
    }
    for flag in ["disabled", "is_up"] {
        asked(request, flag)?;
    }
    Ok(Reply::ok(json!({"clusters": []})))
}

fn show(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("clusters:get", request.caller(), &own(request.caller()))?;
    Err(absent(request.param("name"), VOLUME))
}

fn update(request: &Request, disable: bool) -> Result<Reply, Error> {
    let mut fields = Fields::new("", request.json()?)?;
    let name = required_in(&mut fields, "name")?;
    let binary = text_in(&mut fields, "binary")?.flatten();
    if disable {
        text_in(&mut fields, "disabled_reason")?;
    }
    fields.finish()?;
    RULES.check("clusters:update", request.caller(), &own(request.caller()))?;
    Err(absent(&name, binary.as_deref().unwrap_or(VOLUME)))
}
