//! `/v3/groups`.

use rest::{Method, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::{DomainId, Timestamp};

use super::model::{Group, GroupChange, GroupDraft};
use super::ops;
use crate::Error;
use crate::api::{
    Filters, Kind, changing, extra, filter_of, filtered, links, name, required_name, with_extra,
};
use crate::user::api::FILTERS as USER_FILTERS;
use crate::user::view::views as user_views;

const NAME_MAX: usize = 64;
const FILTERS: Filters = &[("domain_id", Kind::Id), ("name", Kind::Name(255))];

pub(crate) fn routes() -> Routes {
    let member = "/v3/groups/{group_id}/users/{user_id}";
    Routes::new()
        .get("/v3/groups", list)
        .post("/v3/groups", create)
        .get("/v3/groups/{group_id}", show)
        .patch("/v3/groups/{group_id}", update)
        .delete("/v3/groups/{group_id}", delete)
        .get("/v3/users/{user_id}/groups", list_of_user)
        .get("/v3/groups/{group_id}/users", list_users)
        .get(member, |request, tx| answer(ops::check_user(request.caller(), tx, both(request))))
        .put(member, |request, tx| answer(ops::add_user(request.caller(), tx, both(request))))
        .write(Method::DELETE, member, |request, tx| {
            answer(ops::remove_user(request.caller(), tx, both(request)))
        })
}

fn both(request: &Request) -> (&str, &str) {
    (request.param("group_id"), request.param("user_id"))
}

fn answer(done: Result<(), Error>) -> Result<Reply, Error> {
    done.map(|()| Reply::empty(204))
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let domain_id = filter_of(request, "domain_id").map(DomainId);
    let name = filter_of(request, "name");
    let groups = ops::list(request.caller(), tx, domain_id.as_ref(), name.as_deref())?;
    filtered(request, "groups", FILTERS, groups.iter().map(|group| view(request, group)).collect())
}

fn list_of_user(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let groups = ops::list_of_user(request.caller(), tx, request.param("user_id"))?;
    let filters = &[("name", Kind::Text)];
    let views = groups.iter().map(|(group, until)| {
        let mut view = view(request, group);
        view["membership_expires_at"] = json!(until.map(Timestamp::iso_micros));
        view
    });
    filtered(request, "groups", filters, views.collect())
}

fn list_users(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let users = ops::list_users(request.caller(), tx, request.param("group_id"))?;
    filtered(request, "users", USER_FILTERS, user_views(request, &users))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("group")?;
    let draft = GroupDraft {
        domain_id: fields.text("domain_id")?.map(DomainId),
        name: required_name(&mut fields, "name", NAME_MAX)?,
        description: fields.nullable_text("description")?.unwrap_or_else(|| Some(String::new())),
        extra: extra(fields),
    };
    let group = ops::create(request.caller(), tx, draft)?;
    Ok(Reply::created(json!({"group": view(request, &group)})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let group = ops::show(request.caller(), tx, request.param("group_id"))?;
    Ok(Reply::ok(json!({"group": view(request, &group)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = changing(request.fields("group")?, request.param("group_id"))?;
    let change = GroupChange {
        domain_id: fields.text("domain_id")?,
        name: name(&mut fields, "name", NAME_MAX)?,
        description: fields.nullable_text("description")?,
        extra: extra(fields),
    };
    let group = ops::update(request.caller(), tx, request.param("group_id"), change)?;
    Ok(Reply::ok(json!({"group": view(request, &group)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    answer(ops::delete(request.caller(), tx, request.param("group_id")))
}

fn view(request: &Request, group: &Group) -> Json {
    with_extra(
        &group.extra,
        json!({
            "id": group.id.0,
            "name": group.name,
            "domain_id": group.domain_id.as_str(),
            "description": group.description,
            "links": links(request, &format!("groups/{}", group.id)),
        }),
    )
}
