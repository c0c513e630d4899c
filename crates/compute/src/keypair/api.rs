//! Keypairs over HTTP.

use ::store::Tx;
use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use types::UserId;

use super::{Keypair, KeypairDraft, ops};
use crate::{Error, body, key, links, microversion};

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/os-keypairs", list)
        .post("/os-keypairs", create)
        .get("/os-keypairs/{name}", show)
        .delete("/os-keypairs/{name}", delete)
}

/// Whose keypairs are meant: `user_id` of the query where the microversion has it.
fn user_of(request: &Request, more_queries: &[&str]) -> Result<UserId, Error> {
    if request.version >= microversion::STRICT_QUERIES {
        body::only_queries(request, &[&["user_id"], more_queries].concat())?;
    }
    let asked = request.query("user_id").filter(|_| request.version >= microversion::KEYPAIR_USER);
    Ok(asked.map_or_else(|| request.caller().user_id.clone(), UserId::from))
}

fn view(keypair: &Keypair, request: &Request) -> Json {
    let mut view = json!({
        "name": keypair.name,
        "public_key": keypair.public_key,
        "fingerprint": keypair.fingerprint,
    });
    if request.version >= microversion::KEYPAIR_TYPE {
        view["type"] = json!("ssh");
    }
    view
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let user_id = user_of(request, &["limit", "marker"])?;
    let mut keypairs = ops::list(request.caller(), tx, &user_id)?;
    let paged = request.version >= microversion::KEYPAIR_PAGES;
    if paged {
        keypairs = links::cut(keypairs, &links::page(request)?, |k| &k.name)?;
    }
    let views: Vec<Json> = keypairs.iter().map(|k| json!({"keypair": view(k, request)})).collect();
    let mut answer = json!({"keypairs": views});
    let last = keypairs.last().map(|k| k.name.as_str());
    if let (true, Some(next)) = (paged, links::next(request, "os-keypairs", keypairs.len(), last)) {
        answer["keypairs_links"] = next;
    }
    Ok(Reply::ok(answer))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let user_id = user_of(request, &[])?;
    let keypair = ops::load(request.caller(), tx, &user_id, request.param("name"))?;
    let mut view = view(&keypair, request);
    let number = key::joined(&[keypair.user_id.as_str(), &keypair.name]);
    view["id"] = json!(i64::from_str_radix(&number[..7], 16).unwrap_or(1));
    view["user_id"] = json!(keypair.user_id);
    view["created_at"] = json!(keypair.created_at.iso_micros());
    view["deleted"] = json!(false);
    view["deleted_at"] = Json::Null;
    view["updated_at"] = Json::Null;
    Ok(Reply::ok(json!({"keypair": view})))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let version = request.version;
    let mut fields = request.fields("keypair")?;
    let name = body::name(&mut fields, "name")?.ok_or_else(|| fields.error("name", "is required"))?;
    let public_key = fields.text("public_key")?;
    if version >= microversion::KEYPAIR_TYPE {
        match fields.text("type")?.as_deref() {
            None | Some("ssh") => {}
            Some("x509") => {
                return Err(Error::Invalid(
                    "Keypair data is invalid: keypairs of type x509 are not built".to_owned(),
                ));
            }
            Some(_) => return Err(fields.error("type", "is not one of ['ssh', 'x509']").into()),
        }
    }
    let user_id = match version >= microversion::KEYPAIR_USER {
        true => fields.text("user_id")?,
        false => None,
    };
    if public_key.is_none() && version >= microversion::KEYPAIR_IMPORT_ONLY {
        return Err(Error::Invalid("'public_key' is a required property".to_owned()));
    }
    fields.finish()?;
    let also = if version >= microversion::KEYPAIR_IMPORT_ONLY { "_- @." } else { "_- " };
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c)) {
        let text = "Keypair data is invalid: Keypair name contains unsafe characters";
        return Err(Error::Invalid(text.to_owned()));
    }
    let user_id = user_id.map_or_else(|| request.caller().user_id.clone(), |id| id.as_str().into());
    let draft = KeypairDraft { user_id, name, public_key };
    let (keypair, private_key) = ops::create(request.caller(), tx, draft)?;
    let mut view = view(&keypair, request);
    view["user_id"] = json!(keypair.user_id);
    if let Some(private_key) = private_key {
        view["private_key"] = json!(private_key);
    }
    let status = if version >= microversion::KEYPAIR_TYPE { 201 } else { 200 };
    Ok(Reply::json(status, json!({"keypair": view})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let user_id = user_of(request, &[])?;
    ops::delete(request.caller(), tx, &user_id, request.param("name"))?;
    Ok(Reply::empty(if request.version >= microversion::KEYPAIR_TYPE { 204 } else { 202 }))
}
