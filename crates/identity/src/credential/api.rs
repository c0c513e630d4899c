//! `/v3/credentials`.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::{ProjectId, UserId};

use super::model::{Credential, CredentialChange, CredentialDraft};
use super::ops;
use crate::Error;
use crate::api::{Filters, Kind, extra, filter_of, filtered, links, name, required_name, with_extra};

const TYPE_MAX: usize = 255;
const FILTERS: Filters = &[("user_id", Kind::Text), ("type", Kind::Text)];

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/v3/credentials", list)
        .post("/v3/credentials", create)
        .get("/v3/credentials/{credential_id}", show)
        .patch("/v3/credentials/{credential_id}", update)
        .delete("/v3/credentials/{credential_id}", delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let user_id = filter_of(request, "user_id").map(UserId);
    let kind = filter_of(request, "type");
    let credentials = ops::list(request.caller(), tx, user_id.as_ref(), kind.as_deref())?;
    let views = credentials.iter().map(|credential| view(request, credential)).collect();
    filtered(request, "credentials", FILTERS, views)
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("credential")?;
    let kind = required_name(&mut fields, "type", TYPE_MAX)?;
    let blob = fields.required_text("blob")?;
    let draft = CredentialDraft {
        user_id: fields.text("user_id")?.map(UserId),
        project_id: fields.text("project_id")?.map(ProjectId),
        access: if kind == "ec2" { Some(access(&fields, &blob)?) } else { None },
        kind,
        blob,
        extra: extra(fields),
    };
    let credential = ops::create(request.caller(), tx, draft)?;
    Ok(Reply::created(json!({"credential": view(request, &credential)})))
}

/// The access key in an EC2 credential's blob, which is a JSON object in a string.
fn access(fields: &Fields, blob: &str) -> Result<String, InvalidBody> {
    let parsed: Json = serde_json::from_str(blob).map_err(|_| fields.error("blob", "is not JSON"))?;
    let access = parsed.get("access").and_then(Json::as_str);
    access.map(str::to_owned).ok_or_else(|| fields.error("blob", "has no access key"))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let credential = ops::show(request.caller(), tx, request.param("credential_id"))?;
    Ok(Reply::ok(json!({"credential": view(request, &credential)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("credential")?;
    let change = CredentialChange {
        user_id: fields.text("user_id")?.map(UserId),
        project_id: fields.text("project_id")?.map(ProjectId),
        kind: name(&mut fields, "type", TYPE_MAX)?,
        blob: fields.text("blob")?,
        extra: extra(fields),
    };
    let credential = ops::update(request.caller(), tx, request.param("credential_id"), change)?;
    Ok(Reply::ok(json!({"credential": view(request, &credential)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("credential_id"))?;
    Ok(Reply::empty(204))
}

fn view(request: &Request, credential: &Credential) -> Json {
    with_extra(
        &credential.extra,
        json!({
            "id": credential.id.0,
            "user_id": credential.user_id.as_str(),
            "project_id": credential.project_id.as_ref().map(|id| id.as_str()),
            "type": credential.kind,
            "blob": credential.blob,
            "links": links(request, &format!("credentials/{}", credential.id)),
        }),
    )
}
