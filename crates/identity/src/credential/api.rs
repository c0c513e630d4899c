//! `/v3/credentials`.

use std::sync::Arc;

use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::{ProjectId, UserId};

use super::keys::CredentialKeys;
use super::model::{CredentialDraft, Opened};
use super::ops;
use crate::Error;
use crate::api::{Filters, Kind, extra, filter_of, filtered, links, required_name, with_extra};
use crate::token::ops::Tokens;

const TYPE_MAX: usize = 255;
const FILTERS: Filters = &[("user_id", Kind::Text), ("type", Kind::Text)];

pub(crate) fn routes(tokens: &Arc<Tokens>) -> Routes {
    let with = |handle: fn(&CredentialKeys, &Request, &mut Tx<'_>) -> Result<Reply, Error>| {
        let keys = tokens.config.credential_keys.clone();
        move |request: &Request, tx: &mut Tx<'_>| handle(&keys, request, tx)
    };
    Routes::new()
        .get("/v3/credentials", with(list))
        .post("/v3/credentials", with(create))
        .get("/v3/credentials/{credential_id}", with(show))
        .patch("/v3/credentials/{credential_id}", with(update))
        .delete("/v3/credentials/{credential_id}", delete)
}

fn list(keys: &CredentialKeys, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let user_id = filter_of(request, "user_id").map(UserId);
    let kind = filter_of(request, "type");
    let credentials = ops::list(request.caller(), tx, keys, (user_id.as_ref(), kind.as_deref()))?;
    let views = credentials.iter().map(|credential| view(request, credential)).collect();
    filtered(request, "credentials", FILTERS, views)
}

fn create(keys: &CredentialKeys, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("credential")?;
    let draft = CredentialDraft {
        kind: required_name(&mut fields, "type", TYPE_MAX)?,
        blob: fields.required_text("blob")?,
        user_id: UserId(fields.required_text("user_id")?),
        project_id: fields.text("project_id")?.map(ProjectId),
        extra: extra(fields.clone()),
    };
    if draft.is_ec2() && draft.project_id.is_none() {
        return Err(fields.error("project_id", "is required").into());
    }
    let credential = ops::create(request.caller(), tx, keys, draft)?;
    Ok(Reply::created(json!({"credential": view(request, &credential)})))
}

fn show(keys: &CredentialKeys, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let credential = ops::show(request.caller(), tx, keys, request.param("credential_id"))?;
    Ok(Reply::ok(json!({"credential": view(request, &credential)})))
}

fn update(keys: &CredentialKeys, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("credential")?;
    let blob = fields.required_text("blob")?;
    let mut said = Vec::new();
    for unchanged in ["type", "user_id", "project_id"] {
        said.extend(fields.nullable_text(unchanged)?.map(|text| (unchanged, text)));
    }
    fields.finish()?;
    let id = request.param("credential_id");
    let credential = ops::update(request.caller(), tx, keys, id, (&blob, &said))?;
    Ok(Reply::ok(json!({"credential": view(request, &credential)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("credential_id"))?;
    Ok(Reply::empty(204))
}

fn view(request: &Request, Opened { credential, blob }: &Opened) -> Json {
    with_extra(
        &credential.extra,
        json!({
            "id": credential.id.0,
            "user_id": credential.user_id.as_str(),
            "project_id": credential.project_id.as_ref().map(|id| id.as_str()),
            "type": credential.kind,
            "blob": blob,
            "links": links(request, &format!("credentials/{}", credential.id)),
        }),
    )
}
