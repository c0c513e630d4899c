//! `/v3/OS-FEDERATION/identity_providers`.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::DomainId;

use super::model::{IdentityProvider, IdentityProviderChange, IdentityProviderDraft};
use super::ops;
use crate::Error;
use crate::api::{flag, flag_of, links};
use crate::federation::chosen_id;
use crate::ids::IdentityProviderId;
use crate::list::{Filters, Kind, filtered};

const FILTERS: Filters = &[("id", Kind::Text), ("enabled", Kind::Flag)];

/// Longer than the 64 that Keystone's schema allows today, for there are issuers of 75; its table holds this much.
const REMOTE_ID_MAX: usize = 255;
/// A hundred years: an end that can still be computed.
const TTL_MINUTES_MAX: i64 = 100 * 365 * 24 * 60;

pub(crate) fn routes() -> Routes {
    let provider = "/v3/OS-FEDERATION/identity_providers/{idp_id}";
    Routes::new()
        .get("/v3/OS-FEDERATION/identity_providers", list)
        .put(provider, create)
        .get(provider, show)
        .patch(provider, update)
        .delete(provider, delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let providers = ops::list(request.caller(), tx, flag_of(request, "enabled"))?;
    let views = providers.iter().map(|provider| {
        let mut view = view(request, provider);
        // Only a list tells where the protocols are.
        let own = view["links"]["self"].as_str().unwrap_or_default().to_owned();
        view["links"]["protocols"] = json!(format!("{own}/protocols"));
        view
    });
    filtered(request, "identity_providers", FILTERS, views.collect())
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut body = Fields::new("", request.json()?)?;
    let mut fields = match body.take("identity_provider") {
        Some(value) => Fields::new("identity_provider", value)?,
        None => Fields::new("identity_provider", json!({}))?,
    };
    body.finish()?;
    let domain_id = fields.text("domain_id")?.map(DomainId);
    let id = IdentityProviderId::from(chosen_id(request, "idp_id")?);
    let draft = IdentityProviderDraft { id, domain_id, change: change(fields)? };
    let provider = ops::create(request.caller(), tx, draft)?;
    Ok(Reply::created(json!({"identity_provider": view(request, &provider)})))
}

fn change(mut fields: Fields) -> Result<IdentityProviderChange, InvalidBody> {
    let change = IdentityProviderChange {
        enabled: flag(&mut fields, "enabled")?,
        description: fields.nullable_text("description")?,
        remote_ids: remote_ids(&mut fields)?,
        authorization_ttl: authorization_ttl(&mut fields)?,
    };
    fields.finish().map(|()| change)
}

fn remote_ids(fields: &mut Fields) -> Result<Option<Vec<String>>, InvalidBody> {
    if !fields.has("remote_ids") {
        return Ok(None);
    }
    let ids = fields.texts("remote_ids")?.unwrap_or_default();
    if ids.iter().any(|id| id.chars().count() > REMOTE_ID_MAX) {
        return Err(fields.error("remote_ids", format!("has one longer than {REMOTE_ID_MAX} characters")));
    }
    let mut sorted: Vec<&String> = ids.iter().collect();
    sorted.sort();
    sorted.dedup();
    if sorted.len() < ids.len() {
        return Err(fields.error("remote_ids", "has non-unique elements"));
    }
    Ok(Some(ids))
}

fn authorization_ttl(fields: &mut Fields) -> Result<Option<Option<i64>>, InvalidBody> {
    match fields.take("authorization_ttl") {
        None => Ok(None),
        Some(Json::Null) => Ok(Some(None)),
        Some(value) => match value.as_i64() {
            Some(minutes @ 0..=TTL_MINUTES_MAX) => Ok(Some(Some(minutes))),
            _ => {
                let problem = format!("is not an integer from 0 to {TTL_MINUTES_MAX}");
                Err(fields.error("authorization_ttl", problem))
            }
        },
    }
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let provider = ops::show(request.caller(), tx, request.param("idp_id"))?;
    Ok(Reply::ok(json!({"identity_provider": view(request, &provider)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let fields = request.fields("identity_provider")?;
    if fields.left().is_empty() {
        return Err(InvalidBody::at("identity_provider", "should be non-empty").into());
    }
    let provider = ops::update(request.caller(), tx, request.param("idp_id"), change(fields)?)?;
    Ok(Reply::ok(json!({"identity_provider": view(request, &provider)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("idp_id"))?;
    Ok(Reply::empty(204))
}

fn view(request: &Request, provider: &IdentityProvider) -> Json {
    json!({
        "id": provider.id.0,
        "domain_id": provider.domain_id.as_str(),
        "enabled": provider.enabled,
        "description": provider.description,
        "remote_ids": provider.remote_ids,
        "authorization_ttl": provider.authorization_ttl,
        "links": links(request, &format!("OS-FEDERATION/identity_providers/{}", provider.id)),
    })
}
