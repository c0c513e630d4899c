//! `/v3/users/{user_id}/application_credentials`.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rest::{Method, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Store, Tx};
use types::{Timestamp, UserId};

use super::model::{ApplicationCredential, ApplicationCredentialDraft};
use super::ops;
use crate::Error;
use crate::access_rule;
use crate::api::{Filters, Kind, filtered, flag, links, required_name, sole_fields, time};
use crate::immutable;
use crate::role::model::Role;
use crate::token::ops::Tokens;
use crate::trust::api::role_spec;

const NAME_MAX: usize = 255;
const SECRET_BYTES: usize = 64;
/// The longest secret that is taken, as Keystone's.
const SECRET_MAX: usize = 255;
const FILTERS: Filters = &[("name", Kind::Name(NAME_MAX))];

pub(crate) fn routes(store: &Store, tokens: &Arc<Tokens>) -> Routes {
    let base = "/v3/users/{user_id}/application_credentials";
    let one = "/v3/users/{user_id}/application_credentials/{application_credential_id}";
    let (store, tokens) = (store.clone(), tokens.clone());
    Routes::new()
        .get(base, list)
        .slow(Method::POST, base, false, move |request| create(store.clone(), tokens.clone(), request))
        .get(one, show)
        .delete(one, delete)
}

fn which(request: &Request) -> (UserId, &str) {
    (UserId::from(request.param("user_id")), request.param("application_credential_id"))
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = ops::list(request.caller(), tx, &which(request).0)?;
    let mut views = Vec::with_capacity(found.len());
    for credential in &found {
        views.push(view(request, credential, &ops::roles(tx, credential)?));
    }
    filtered(request, "application_credentials", FILTERS, views)
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (user, id) = which(request);
    let credential = ops::show(request.caller(), tx, (&user, id))?;
    let roles = ops::roles(tx, &credential)?;
    Ok(Reply::ok(json!({"application_credential": view(request, &credential, &roles)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (user, id) = which(request);
    ops::delete(request.caller(), tx, (&user, id))?;
    Ok(Reply::empty(204))
}

/// The secret is shown in this answer and never again.
async fn create(store: Store, tokens: Arc<Tokens>, request: Request) -> Result<Reply, Error> {
    let (draft, secret) = draft(&request)?;
    let secret = secret.unwrap_or_else(fresh_secret);
    let (caller, checked) = (request.caller().clone(), draft.clone());
    store.read(move |tx| ops::check_create(&caller, tx, &checked).map(|_| ())).await?;
    let hash = tokens.passwords.hash(request.address, &draft.user_id, secret.clone()).await?;
    let caller = request.caller().clone();
    let made = store.write(move |tx| {
        let made = ops::create(&caller, tx, draft.clone(), hash.clone())?;
        let roles = ops::roles(tx, &made)?;
        Ok::<_, Error>((made, roles))
    });
    let (made, roles) = made.await?;
    let mut view = view(&request, &made, &roles);
    view["secret"] = json!(secret);
    Ok(Reply::created(json!({"application_credential": view})))
}

fn fresh_secret() -> String {
    let mut bytes = [0; SECRET_BYTES];
    runtime::fill_random(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn draft(request: &Request) -> Result<(ApplicationCredentialDraft, Option<String>), Error> {
    let mut fields = sole_fields(request, "application_credential")?;
    let secret = fields.text("secret")?;
    if secret.as_ref().is_some_and(|secret| secret.is_empty() || secret.len() > SECRET_MAX) {
        return Err(fields.error("secret", format!("is empty or longer than {SECRET_MAX}")).into());
    }
    let roles = fields.objects("roles")?.map(|mut roles| roles.iter_mut().map(role_spec).collect());
    let rules =
        fields.objects("access_rules")?.map(|rules| rules.into_iter().map(access_rule::api::spec).collect());
    let draft = ApplicationCredentialDraft {
        user_id: which(request).0,
        name: required_name(&mut fields, "name", NAME_MAX)?,
        description: fields.text("description")?,
        roles: roles.transpose()?,
        expires_at: expiry(fields.text("expires_at")?)?,
        unrestricted: flag(&mut fields, "unrestricted")?,
        access_rules: rules.transpose()?,
    };
    for ours in ["id", "project_id", "user_id"] {
        fields.take(ours);
    }
    fields.finish()?;
    Ok((draft, secret))
}

fn expiry(text: Option<String>) -> Result<Option<Timestamp>, Error> {
    text.map(|text| time(&text)).transpose()
}

fn view(request: &Request, credential: &ApplicationCredential, roles: &[Role]) -> Json {
    let role = |role: &Role| {
        json!({
            "id": role.id.as_str(),
            "name": role.name,
            "domain_id": role.domain_id.as_ref().map(|id| id.as_str()),
            "description": role.description,
            "options": immutable::view(role.immutable),
        })
    };
    let mut view = json!({
        "id": credential.id,
        "name": credential.name,
        "description": credential.description,
        "user_id": credential.user_id.as_str(),
        "project_id": credential.project_id.as_str(),
        "system": null,
        "expires_at": credential.expires_at.map(Timestamp::iso_micros),
        "unrestricted": credential.unrestricted,
        "roles": roles.iter().map(role).collect::<Vec<_>>(),
        "links": links(request, &format!("application_credentials/{}", credential.id)),
    });
    if let Some(rules) = &credential.access_rules {
        view["access_rules"] = rules.iter().map(access_rule::api::view).collect();
    }
    view
}
