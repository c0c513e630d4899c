//! The option `immutable`, which keeps projects, domains and roles from being changed or deleted by mistake.
//!
//! It is the only option that they have. An object on which it is false differs from one that never had it, as upstream.

use rest::{Fields, InvalidBody};
use serde_json::{Value as Json, json};

use crate::Error;

/// Takes `options`: none if they say nothing about it, or the new state, of which none takes the option away.
pub(crate) fn option(fields: &mut Fields) -> Result<Option<Option<bool>>, InvalidBody> {
    let Some(mut options) = fields.object("options")? else { return Ok(None) };
    let asked = match options.take("immutable") {
        None => None,
        Some(Json::Null) => Some(None),
        Some(Json::Bool(flag)) => Some(Some(flag)),
        Some(_) => return Err(options.error("immutable", "is neither a boolean nor null")),
    };
    match options.left().first() {
        None => Ok(asked),
        Some(other) => {
            let why = format!("Additional properties are not allowed ('{other}' was unexpected)");
            Err(fields.error("options", why))
        }
    }
}

/// The options as clients see them.
pub(crate) fn view(option: Option<bool>) -> Json {
    option.map_or(json!({}), |immutable| json!({"immutable": immutable}))
}

/// Refuses to change what is immutable, unless the update `only_unlocks` it.
pub(crate) fn refuse_update(
    kind: &str,
    id: &str,
    now: Option<bool>,
    only_unlocks: bool,
) -> Result<(), Error> {
    if now == Some(true) && !only_unlocks { Err(refusal("update", kind, id)) } else { Ok(()) }
}

/// Refuses to delete what is immutable.
pub(crate) fn refuse_delete(kind: &str, id: &str, now: Option<bool>) -> Result<(), Error> {
    if now == Some(true) { Err(refusal("delete", kind, id)) } else { Ok(()) }
}

/// Upstream opens a quote here that it does not close.
fn refusal(verb: &str, kind: &str, id: &str) -> Error {
    Error::Forbidden(format!(
        "Unable to {verb} immutable {kind} resource: `{id}. Set resource option \"immutable\" to false first."
    ))
}
