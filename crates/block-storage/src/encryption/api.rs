//! The encryption of a volume type over HTTP.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Map, Value as Json, json};
use store::Tx;

use super::{ControlLocation, Encryption, EncryptionChange, ops};
use crate::api::{own, sole_fields, text_in};
use crate::error::Error;
use crate::volume_type::VolumeType;

/// The longest key.
const KEY_BITS_MAX: i64 = i32::MAX as i64;

/// The routes of encryptions. The last part of a path is a name when it is read, and anything when it is changed.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/types/{id}/encryption", own(show))
        .post("/types/{id}/encryption", own(create))
        .get("/types/{id}/encryption/{key}", own(show_one))
        .put("/types/{id}/encryption/{key}", own(update))
        .delete("/types/{id}/encryption/{key}", own(delete))
}

fn view(volume_type: &VolumeType) -> Json {
    let Some(known) = &volume_type.encryption else { return json!({}) };
    json!({
        "volume_type_id": volume_type.id,
        "encryption_id": known.id,
        "provider": known.provider,
        "cipher": known.cipher,
        "key_size": known.key_size_bits,
        "control_location": known.control_location.name(),
        "created_at": known.created_at.iso_micros(),
        "updated_at": known.updated_at.map(|at| at.iso_micros()),
        "deleted": false,
        "deleted_at": null,
    })
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = ops::show(request.caller(), tx, request.param("id"))?;
    Ok(Reply::ok(view(&found)))
}

fn show_one(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (id, key) = (request.param("id"), request.param("key"));
    let found = ops::show(request.caller(), tx, id)?;
    let value = view(&found).get(key).cloned().ok_or_else(|| ops::absent(id))?;
    Ok(Reply::ok(json!({ key: value })))
}

/// What the body says, and the same as it is said back.
fn said(request: &Request) -> Result<(EncryptionChange, Map<String, Json>), Error> {
    let mut fields = sole_fields(request, "encryption")?;
    let mut back = Map::new();
    let provider = text_in(&mut fields, "provider")?;
    if provider == Some(None) {
        return Err(fields.error("provider", "is not a string").into());
    }
    let change = EncryptionChange {
        provider: provider.flatten(),
        cipher: text_in(&mut fields, "cipher")?,
        key_size_bits: key_size(&mut fields)?,
        control_location: control_location(&mut fields)?,
    };
    fields.finish()?;
    let mut say = |name: &str, value: Option<Json>| value.map(|value| back.insert(name.to_owned(), value));
    say("provider", change.provider.as_ref().map(|text| json!(text)));
    say("cipher", change.cipher.as_ref().map(|text| json!(text)));
    say("key_size", change.key_size_bits.map(|bits| json!(bits)));
    say("control_location", change.control_location.map(|place| json!(place.name())));
    Ok((change, back))
}

fn key_size(fields: &mut Fields) -> Result<Option<Option<u32>>, InvalidBody> {
    let value = fields.take("key_size");
    let bits = match &value {
        None => return Ok(None),
        Some(Json::Null) => return Ok(Some(None)),
        Some(Json::Number(number)) => number.as_i64(),
        Some(Json::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    let bits =
        bits.filter(|bits| (0..=KEY_BITS_MAX).contains(bits)).and_then(|bits| u32::try_from(bits).ok());
    bits.map(|bits| Some(Some(bits))).ok_or_else(|| fields.error("key_size", "is not a number of bits"))
}

fn control_location(fields: &mut Fields) -> Result<Option<ControlLocation>, InvalidBody> {
    let Some(value) = fields.take("control_location") else { return Ok(None) };
    let known = value.as_str().and_then(ControlLocation::of_name);
    known.map(Some).ok_or_else(|| fields.error("control_location", "is not one of ['front-end', 'back-end']"))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (change, mut back) = said(request)?;
    let required = |name: &str| InvalidBody::at(format!("encryption.{name}"), "is required");
    let encryption = Encryption {
        id: runtime::new_uuid().into(),
        provider: change.provider.ok_or_else(|| required("provider"))?,
        cipher: change.cipher.flatten(),
        key_size_bits: change.key_size_bits.flatten(),
        control_location: change.control_location.ok_or_else(|| required("control_location"))?,
        created_at: tx.now(),
        updated_at: None,
    };
    back.insert("encryption_id".to_owned(), json!(encryption.id));
    back.insert("volume_type_id".to_owned(), request.param("id").into());
    ops::create(request.caller(), tx, request.param("id"), encryption)?;
    Ok(Reply::ok(json!({"encryption": back})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (change, back) = said(request)?;
    ops::update(request.caller(), tx, request.param("id"), change)?;
    Ok(Reply::ok(json!({"encryption": back})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("id"))?;
    Ok(Reply::empty(202))
}
