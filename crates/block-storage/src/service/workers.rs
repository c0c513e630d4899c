//! Cleaning up after parts of the service, over HTTP.

use rest::{Fields, InvalidBody, Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use uuid::Uuid;

use super::cleanup::{self, Cleanup, Worked};
use super::model::{Part, SCHEDULER, VOLUME};
use crate::api::{nullable_flag_in, since, text_in};
use crate::error::Error;

/// The first microversion that cleans up.
const CLEANUP: Microversion = Microversion(3, 24);
/// The longest kind of a thing, and the most digits of a part's number.
const KIND_CHARS_MAX: usize = 40;
const DIGITS_MAX: usize = 11;

/// The routes of cleaning up. Cinder has the first alone; openstacksdk sends the other.
pub(super) fn routes() -> Routes {
    let path = "/workers/cleanup";
    Routes::new().post(path, since(CLEANUP, clean)).put(path, since(CLEANUP, clean))
}

fn clean(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let body = if request.body.is_empty() { json!({}) } else { request.json()? };
    let mut fields = Fields::new("", body)?;
    // The client can ask for nothing without naming a cluster, be it none.
    let cluster = name_in(&mut fields, "cluster_name")?.filter(|name| !name.is_empty());
    let host = name_in(&mut fields, "host")?;
    if host.as_ref().is_some_and(String::is_empty) {
        return Err(fields.error("host", "is too short").into());
    }
    let binary = match fields.take("binary") {
        None => None,
        Some(Json::String(binary)) if [VOLUME, SCHEDULER].contains(&binary.as_str()) => Some(binary),
        Some(_) => return Err(fields.error("binary", format!("is neither {VOLUME} nor {SCHEDULER}")).into()),
    };
    let up = nullable_flag_in(&mut fields, "is_up")?.unwrap_or(false);
    let disabled = nullable_flag_in(&mut fields, "disabled")?;
    let service_id = number_in(&mut fields, "service_id")?;
    let id: Option<Uuid> = fields.nullable_parse("resource_id")?.flatten();
    let kind = text_in(&mut fields, "resource_type")?.flatten().filter(|kind| !kind.is_empty());
    if kind.as_ref().is_some_and(|kind| kind.chars().count() > KIND_CHARS_MAX) {
        return Err(fields.error("resource_type", "is longer than 40 characters").into());
    }
    fields.finish()?;
    let kind = kind.map(kind_of).transpose()?;
    let wanted = Cleanup { cluster, host, binary, service_id, up, disabled, kind, id };
    let asked = cleanup::clean(request.caller(), tx, &wanted)?;
    let view = |parts: &[Part]| {
        let view = |part: &Part| json!({"id": part.id(), "host": part.host, "binary": part.binary, "cluster_name": null});
        parts.iter().map(view).collect::<Vec<Json>>()
    };
    let body = json!({"cleaning": view(&asked.cleaning), "unavailable": view(&asked.unavailable)});
    Ok(Reply::accepted(body))
}

/// The name of a host, or of what has several.
fn name_in(fields: &mut Fields, name: &str) -> Result<Option<String>, InvalidBody> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._#@:/+".contains(c);
    match text_in(fields, name)?.flatten() {
        Some(text) if !text.chars().all(plain) => Err(fields.error(name, "is not a host")),
        text => Ok(text),
    }
}

/// The number of a part, as one or as digits. One that no part can have is nobody's.
fn number_in(fields: &mut Fields, name: &str) -> Result<Option<u32>, InvalidBody> {
    let digits = match fields.take(name) {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::String(digits)) if digits.is_empty() => return Ok(None),
        Some(Json::String(digits)) => digits,
        Some(Json::Number(number)) if number.is_i64() || number.is_u64() => number.to_string(),
        Some(_) => return Err(fields.error(name, "is not a number")),
    };
    let is_number = digits.trim_start_matches('-').chars().all(|c| c.is_ascii_digit());
    if !is_number || digits.len() > DIGITS_MAX {
        return Err(fields.error(name, "is not a number"));
    }
    Ok(Some(digits.parse().unwrap_or(u32::MAX)))
}

fn kind_of(kind: String) -> Result<Worked, Error> {
    match kind.to_lowercase().as_str() {
        "volume" => Ok(Worked::Volume),
        "snapshot" => Ok(Worked::Snapshot),
        _ => {
            let text = format!("Resource type {kind} not valid, must be Snapshot or Volume");
            Err(Error::Invalid(format!("Invalid input received: {text}")))
        }
    }
}
