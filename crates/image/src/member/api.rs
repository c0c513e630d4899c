//! Members over HTTP.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::ProjectId;

use super::{Member, MemberStatus, ops};
use crate::error::Error;
use crate::image::api::image_id;

/// The longest id of a project.
const MEMBER_CHARS_MAX: usize = 64;

/// The routes of members.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/v2/images/{id}/members", index)
        .post("/v2/images/{id}/members", create)
        .get("/v2/images/{id}/members/{member}", show)
        .put("/v2/images/{id}/members/{member}", update)
        .delete("/v2/images/{id}/members/{member}", delete)
}

fn view(member: &Member) -> Json {
    json!({
        "image_id": member.image_id,
        "member_id": member.member,
        "status": member.status.as_str(),
        "created_at": member.created_at.iso_z(),
        "updated_at": member.updated_at.iso_z(),
        "schema": "/v2/schemas/member",
    })
}

fn member(request: &Request) -> ProjectId {
    request.param("member").into()
}

fn fields(request: &Request) -> Result<Fields, InvalidBody> {
    Fields::new("", request.json()?)
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let members = ops::list(request.caller(), tx, image_id(request)?)?;
    let members: Vec<Json> = members.iter().map(|member| view(member)).collect();
    Ok(Reply::ok(json!({"members": members, "schema": "/v2/schemas/members"})))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let member = fields(request)?.required_text("member")?;
    if member.is_empty() || member.chars().count() > MEMBER_CHARS_MAX {
        return Err(Error::Invalid(
            "Expected a member's id in the form {\"member\": \"image_id\"}".to_owned(),
        ));
    }
    let member = ops::create(request.caller(), tx, image_id(request)?, member.as_str().into())?;
    Ok(Reply::ok(view(&member)))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let member = ops::find(request.caller(), tx, image_id(request)?, &member(request))?;
    Ok(Reply::ok(view(&member)))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let word = fields(request)?.required_text("status")?;
    let unknown = |()| Error::Invalid(format!("Status is not one of pending, accepted, rejected: {word}"));
    let status: MemberStatus = word.parse().map_err(unknown)?;
    let member = ops::update(request.caller(), tx, (image_id(request)?, &member(request)), status)?;
    Ok(Reply::ok(view(&member)))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, image_id(request)?, &member(request))?;
    Ok(Reply::empty(204))
}
