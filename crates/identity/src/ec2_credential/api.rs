//! `/v3/users/{user_id}/credentials/OS-EC2`.

use std::sync::Arc;

use rest::{Fields, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::{ProjectId, UserId};

use super::ops;
use crate::Error;
use crate::api::{links, listed};
use crate::credential::ec2_key::ec2_fields;
use crate::credential::keys::CredentialKeys;
use crate::credential::model::Opened;
use crate::token::ops::Tokens;

pub(crate) fn routes(tokens: &Arc<Tokens>) -> Routes {
    let with = |handle: fn(&CredentialKeys, &Request, &mut Tx<'_>) -> Result<Reply, Error>| {
        let keys = tokens.config.credential_keys.clone();
        move |request: &Request, tx: &mut Tx<'_>| handle(&keys, request, tx)
    };
    Routes::new()
        .get("/v3/users/{user_id}/credentials/OS-EC2", with(list))
        .post("/v3/users/{user_id}/credentials/OS-EC2", with(create))
        .get("/v3/users/{user_id}/credentials/OS-EC2/{access}", with(show))
        .delete("/v3/users/{user_id}/credentials/OS-EC2/{access}", delete)
}

fn owner(request: &Request) -> UserId {
    UserId(request.param("user_id").to_owned())
}

fn list(keys: &CredentialKeys, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = ops::list(request.caller(), tx, keys, &owner(request))?;
    Ok(listed(request, "credentials", found.iter().map(|key| view(request, key)).collect()))
}

fn create(keys: &CredentialKeys, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project = Fields::new("", request.json()?)?.text("tenant_id")?.map(ProjectId);
    let key = ops::create(request.caller(), tx, keys, owner(request), project)?;
    Ok(Reply::created(json!({"credential": view(request, &key)})))
}

fn show(keys: &CredentialKeys, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let key = ops::show(request.caller(), tx, keys, (&owner(request), request.param("access")))?;
    Ok(Reply::ok(json!({"credential": view(request, &key)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, &owner(request), request.param("access"))?;
    Ok(Reply::empty(204))
}

fn view(request: &Request, Opened { credential, blob }: &Opened) -> Json {
    let fields = ec2_fields(blob).unwrap_or_default();
    let access = fields.get("access").and_then(Json::as_str).unwrap_or_default();
    json!({
        "user_id": credential.user_id.as_str(),
        "tenant_id": credential.project_id.as_ref().map(|id| id.as_str()),
        "access": access,
        "secret": fields.get("secret"),
        "trust_id": fields.get("trust_id"),
        "links": links(request, &format!("users/{}/credentials/OS-EC2/{access}", credential.user_id)),
    })
}
