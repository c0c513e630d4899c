//! `/v3/OS-FEDERATION/service_providers`.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::model::{RELAY_STATE_PREFIX, ServiceProvider, ServiceProviderChange};
use super::ops;
use crate::Error;
use crate::api::{flag, flag_of, links, sole_fields, text};
use crate::federation::chosen_id;
use crate::ids::ServiceProviderId;
use crate::list::{Filters, Kind, filtered};

const FILTERS: Filters = &[("id", Kind::Text), ("enabled", Kind::Flag)];

const URL_MAX: usize = 225;
const PREFIX_MAX: usize = 256;

pub(crate) fn routes() -> Routes {
    let provider = "/v3/OS-FEDERATION/service_providers/{service_provider_id}";
    Routes::new()
        .get("/v3/OS-FEDERATION/service_providers", list)
        .put(provider, create)
        .get(provider, show)
        .patch(provider, update)
        .delete(provider, delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let providers = ops::list(request.caller(), tx, flag_of(request, "enabled"))?;
    filtered(request, "service_providers", FILTERS, providers.iter().map(|p| view(request, p)).collect())
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let fields = sole_fields(request, "service_provider")?;
    let missing = |name| fields.error(name, "is a required property");
    let (no_auth_url, no_sp_url) = (missing("auth_url"), missing("sp_url"));
    let change = change(fields)?;
    let provider = ServiceProvider {
        id: ServiceProviderId::from(chosen_id(request, "service_provider_id")?),
        auth_url: change.auth_url.ok_or(no_auth_url)?,
        sp_url: change.sp_url.ok_or(no_sp_url)?,
        description: change.description.flatten(),
        enabled: change.enabled.unwrap_or(false),
        relay_state_prefix: change.relay_state_prefix.unwrap_or_else(|| RELAY_STATE_PREFIX.to_owned()),
    };
    let provider = ops::create(request.caller(), tx, provider)?;
    Ok(Reply::created(json!({"service_provider": view(request, &provider)})))
}

fn change(mut fields: Fields) -> Result<ServiceProviderChange, InvalidBody> {
    let prefix = fields.nullable_text("relay_state_prefix")?;
    if prefix.iter().flatten().any(|prefix| prefix.chars().count() > PREFIX_MAX) {
        return Err(fields.error("relay_state_prefix", format!("is longer than {PREFIX_MAX} characters")));
    }
    let change = ServiceProviderChange {
        auth_url: url(&mut fields, "auth_url")?,
        sp_url: url(&mut fields, "sp_url")?,
        description: fields.nullable_text("description")?,
        enabled: flag(&mut fields, "enabled")?,
        relay_state_prefix: prefix.map(|prefix| prefix.unwrap_or_else(|| RELAY_STATE_PREFIX.to_owned())),
    };
    fields.finish().map(|()| change)
}

/// A scheme, a colon and something more.
fn url(fields: &mut Fields, name: &str) -> Result<Option<String>, InvalidBody> {
    let Some(url) = text(fields, name)? else { return Ok(None) };
    let scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-');
    let fits = url
        .split_once(':')
        .is_some_and(|(before, after)| !before.is_empty() && before.chars().all(scheme) && !after.is_empty());
    match fits && url.chars().count() <= URL_MAX {
        true => Ok(Some(url)),
        false => Err(fields.error(name, format!("is not a URL of at most {URL_MAX} characters: {url}"))),
    }
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let provider = ops::show(request.caller(), tx, request.param("service_provider_id"))?;
    Ok(Reply::ok(json!({"service_provider": view(request, &provider)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let fields = sole_fields(request, "service_provider")?;
    if fields.left().is_empty() {
        return Err(InvalidBody::at("service_provider", "should be non-empty").into());
    }
    let provider = ops::update(request.caller(), tx, request.param("service_provider_id"), change(fields)?)?;
    Ok(Reply::ok(json!({"service_provider": view(request, &provider)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("service_provider_id"))?;
    Ok(Reply::empty(204))
}

fn view(request: &Request, provider: &ServiceProvider) -> Json {
    json!({
        "id": provider.id.0,
        "auth_url": provider.auth_url,
        "sp_url": provider.sp_url,
        "description": provider.description,
        "enabled": provider.enabled,
        "relay_state_prefix": provider.relay_state_prefix,
        "links": links(request, &format!("OS-FEDERATION/service_providers/{}", provider.id)),
    })
}
