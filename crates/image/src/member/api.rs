//! Members over HTTP.

use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::ProjectId;

use super::{Member, MemberStatus, ops};
use crate::error::Error;
use crate::image::api::image_id;

/// The longest id of a project.
const MEMBER_CHARS_MAX: usize = 64;
/// What a creation should look like.
const MEMBER_FORM: &str = "Expected a member in the form: {\"member\": \"image_id\"}";

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

/// The only field of a body; more of them are no concern of Glance's.
fn field(request: &Request, name: &str) -> Result<Option<Json>, Error> {
    let body = request.json().map_err(|_| Error::Invalid("Malformed JSON in request body.".to_owned()))?;
    match body {
        Json::Object(mut fields) => Ok(fields.remove(name)),
        _ if name == "member" => Err(Error::Invalid(MEMBER_FORM.to_owned())),
        _ => Err(Error::Invalid("Expected a status in the form: {\"status\": \"status\"}".to_owned())),
    }
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let members = ops::list(request.caller(), tx, image_id(request)?)?;
    let members: Vec<Json> = members.iter().map(|member| view(member)).collect();
    Ok(Reply::ok(json!({"members": members, "schema": "/v2/schemas/members"})))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let invalid = |text: &str| Error::Invalid(text.to_owned());
    let member = field(request, "member")?.ok_or_else(|| invalid("Member to be added not specified"))?;
    let member = match &member {
        Json::String(member) if member.is_empty() => return Err(invalid("Member can't be empty")),
        Json::String(member) if member.chars().count() <= MEMBER_CHARS_MAX => member,
        _ => return Err(invalid(MEMBER_FORM)),
    };
    let member = ops::create(request.caller(), tx, image_id(request)?, member.as_str().into())?;
    Ok(Reply::ok(view(&member)))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let member = ops::find(request.caller(), tx, image_id(request)?, &member(request))?;
    Ok(Reply::ok(view(&member)))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let status =
        field(request, "status")?.ok_or_else(|| Error::Invalid("Status not specified".to_owned()))?;
    let unknown = "Incorrect request: Status must be \"pending\", \"accepted\" or \"rejected\".";
    let known = status.as_str().and_then(|word| word.parse::<MemberStatus>().ok());
    let status = known.ok_or_else(|| Error::Invalid(unknown.to_owned()))?;
    let member = ops::update(request.caller(), tx, (image_id(request)?, &member(request)), status)?;
    Ok(Reply::ok(view(&member)))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, image_id(request)?, &member(request))?;
    Ok(Reply::empty(204))
}
