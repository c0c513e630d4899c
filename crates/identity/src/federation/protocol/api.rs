//! `/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols`.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::model::Protocol;
use super::ops;
use crate::Error;
use crate::api::{required_name, sole_fields};
use crate::federation::chosen_id;
use crate::ids::{IdentityProviderId, MappingId, ProtocolId};
use crate::list::listed;

const MAPPING_ID_MAX: usize = 64;
const ATTRIBUTE_MAX: usize = 64;

pub(crate) fn routes() -> Routes {
    let protocols = "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols";
    let protocol = "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}";
    Routes::new()
        .get(protocols, list)
        .put(protocol, create)
        .get(protocol, show)
        .patch(protocol, update)
        .delete(protocol, delete)
}

fn both(request: &Request) -> (&str, &str) {
    (request.param("idp_id"), request.param("protocol_id"))
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let protocols = ops::list(request.caller(), tx, request.param("idp_id"))?;
    let views = protocols.iter().map(|protocol| {
        let mut view = view(request, protocol);
        // Only a list tells these two.
        view["idp_id"] = json!(protocol.idp_id.0);
        view["remote_id_attribute"] = json!(protocol.remote_id_attribute);
        view
    });
    Ok(listed(request, "protocols", views.collect()))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "protocol")?;
    let attribute = fields.nullable_text("remote_id_attribute")?.flatten();
    let protocol = Protocol {
        id: ProtocolId::from(chosen_id(request, "protocol_id")?),
        idp_id: IdentityProviderId::from(chosen_id(request, "idp_id")?),
        mapping_id: mapping_id(&mut fields)?,
        remote_id_attribute: bounded(&fields, attribute)?,
    };
    fields.finish()?;
    let protocol = ops::create(request.caller(), tx, protocol)?;
    Ok(Reply::created(json!({"protocol": view(request, &protocol)})))
}

fn mapping_id(fields: &mut Fields) -> Result<MappingId, InvalidBody> {
    required_name(fields, "mapping_id", MAPPING_ID_MAX).map(MappingId)
}

fn bounded(fields: &Fields, attribute: Option<String>) -> Result<Option<String>, InvalidBody> {
    match &attribute {
        Some(name) if name.chars().count() > ATTRIBUTE_MAX => {
            Err(fields.error("remote_id_attribute", format!("is longer than {ATTRIBUTE_MAX} characters")))
        }
        _ => Ok(attribute),
    }
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let protocol = ops::show(request.caller(), tx, both(request))?;
    Ok(Reply::ok(json!({"protocol": view(request, &protocol)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "protocol")?;
    let attribute = crate::api::text(&mut fields, "remote_id_attribute")?;
    let change = (mapping_id(&mut fields)?, bounded(&fields, attribute)?);
    fields.finish()?;
    let protocol = ops::update(request.caller(), tx, both(request), change)?;
    Ok(Reply::ok(json!({"protocol": view(request, &protocol)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, both(request))?;
    Ok(Reply::empty(204))
}

/// The links lead nowhere, in Keystone's own way: they lack what comes before.
fn view(request: &Request, protocol: &Protocol) -> Json {
    let base = format!("{}/v3", request.base_url);
    json!({
        "id": protocol.id.0,
        "mapping_id": protocol.mapping_id.0,
        "links": {
            "self": format!("{base}/protocols/{}", protocol.id),
            "identity_provider": format!("{base}/{}", protocol.idp_id),
        },
    })
}
