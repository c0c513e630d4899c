//! Servers over HTTP: the collection and its members. Actions, parts and devices have files of their own.

mod actions;
mod imaging;
mod parts;

use std::sync::Arc;

use ::store::{Store, Tx};
use image::image::by_node::Terms;
use policy::Target;
use rest::{Fields, InvalidBody, Method, Reply, Request, Routes};
use serde_json::{Value as Json, json};

use super::ops::{self, Change};
use super::view::{self, Around};
use super::{Asked, Server, act, body as parsed, filter, password};
use crate::policy::RULES;
use crate::{Error, body, links, microversion};

/// Letters of a password that is made.
const PASSWORD_ALPHABET: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Its length, as Nova's.
const PASSWORD_LENGTH: usize = 12;

pub(crate) fn routes(store: &Store, inquiries: &nodes::Inquiries, images: Terms) -> Routes {
    let around = Arc::new((store.clone(), inquiries.clone(), images));
    Routes::new()
        .get("/servers", |request, tx| list(request, tx, false))
        .get("/servers/detail", |request, tx| list(request, tx, true))
        .post("/servers", create)
        .get("/servers/{id}", show)
        .put("/servers/{id}", update)
        .delete("/servers/{id}", delete)
        .and(actions::routes(&around))
        .and(password_routes(&around))
        .and(parts::routes())
}

/// The host may have to be asked for a password, which no transaction waits for.
fn password_routes(around: &Arc<(Store, nodes::Inquiries, Terms)>) -> Routes {
    let around = around.clone();
    Routes::new().slow(Method::GET, "/servers/{id}/os-server-password", false, move |request| {
        let around = around.clone();
        async move { password::show(&request, &around.0, &around.1).await }
    })
}

/// Who asks, by which request.
pub(crate) fn asked(request: &Request) -> Asked<'_> {
    Asked { caller: request.caller(), request_id: &request.request_id }
}

fn around(request: &Request, tx: &mut Tx<'_>, single: bool) -> Result<Around, Error> {
    let may = RULES.allows("os_compute_api:servers:show:host_status", request.caller(), &Target::default());
    let wanted = may && request.version >= microversion::HOST_STATUS;
    let host_status = if wanted { ops::host_status(tx)? } else { Default::default() };
    Ok(Around { host_status, single })
}

fn list(request: &Request, tx: &mut Tx<'_>, detail: bool) -> Result<Reply, Error> {
    let filter = filter::parse(request)?;
    let servers = ops::list(request.caller(), tx, &filter, &links::page(request)?)?;
    let around = around(request, tx, false)?;
    let views = servers.iter().map(|server| match detail {
        true => view::full(server, request, &around),
        false => view::brief(server, request),
    });
    let mut answer = under("servers", views.collect());
    let path = if detail { "servers/detail" } else { "servers" };
    let last = servers.last().map(|server| server.id.to_string());
    if let Some(next) = links::next(request, path, servers.len(), last.as_deref()) {
        answer["servers_links"] = next;
    }
    Ok(Reply::ok(answer))
}

fn shown(request: &Request, tx: &mut Tx<'_>, server: &Server) -> Result<Json, Error> {
    let around = around(request, tx, true)?;
    Ok(under("server", view::full(server, request, &around)))
}

/// A view below its key. `json!` would copy the view, which costs as much as making it.
fn under(key: &str, view: Json) -> Json {
    Json::Object([(key.to_owned(), view)].into_iter().collect())
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let server = act::load_for("servers:show", request.caller(), tx, request.param("id"))?;
    Ok(Reply::ok(shown(request, tx, &server)?))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let read = parsed::read(request)?;
    let mut draft = read.draft;
    let admin_pass = draft.admin_pass.get_or_insert_with(made_password).clone();
    let servers = ops::create(&asked(request), tx, &draft)?;
    let Some(server) = servers.first() else {
        return Err(Error::Internal("no server was created".to_owned()));
    };
    if read.return_reservation_id {
        return Ok(Reply::accepted(json!({"reservation_id": server.reservation_id})));
    }
    let id = server.id.to_string();
    let names = read.group_names.unwrap_or_else(|| vec!["default".to_owned()]);
    let groups: Vec<Json> = names.iter().map(|name| json!({"name": name})).collect();
    let view = json!({"server": {
        "id": id,
        "links": links::of(request, "servers", &id),
        "OS-DCF:diskConfig": if server.disk_config_manual { "MANUAL" } else { "AUTO" },
        "security_groups": groups,
        "adminPass": admin_pass,
    }});
    let location = format!("{}/v2.1/servers/{id}", request.base_url);
    Ok(Reply::accepted(view).header("location", location))
}

fn made_password() -> String {
    let mut bytes = [0; PASSWORD_LENGTH];
    runtime::fill_random(&mut bytes);
    let letter = |byte: &u8| char::from(PASSWORD_ALPHABET[usize::from(*byte) % PASSWORD_ALPHABET.len()]);
    bytes.iter().map(letter).collect()
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let version = request.version;
    let mut fields = request.fields("server")?;
    let change = Change {
        name: body::name(&mut fields, "name")?,
        hostname: parsed::hostname(&mut fields, version)?,
        description: match version >= microversion::DESCRIPTION {
            true => body::description(&mut fields, 255)?,
            false => None,
        },
        access_ipv4: parsed::address(&mut fields, "accessIPv4", true)?,
        access_ipv6: parsed::address(&mut fields, "accessIPv6", false)?,
        disk_config_manual: parsed::disk_config(&mut fields)?,
    };
    fields.finish()?;
    let server = ops::update(request.caller(), tx, request.param("id"), change)?;
    if version >= microversion::STRICT_QUERIES {
        return Ok(Reply::ok(shown(request, tx, &server)?));
    }
    Ok(Reply::ok(json!({"server": updated_view(&server, request)})))
}

/// What an update answered before it answered everything.
fn updated_view(server: &Server, request: &Request) -> Json {
    let around = Around { host_status: Default::default(), single: true };
    let full = view::full(server, request, &around);
    let mut kept = serde_json::Map::new();
    let names = [
        "accessIPv4",
        "accessIPv6",
        "addresses",
        "created",
        "flavor",
        "hostId",
        "id",
        "image",
        "links",
        "metadata",
        "name",
        "status",
        "tenant_id",
        "user_id",
        "updated",
        "OS-DCF:diskConfig",
        "progress",
        "fault",
        "locked",
        "description",
        "tags",
        "trusted_image_certificates",
        "server_groups",
        "locked_reason",
        "host_status",
    ];
    for name in names {
        if let Some(value) = full.get(name) {
            kept.insert(name.to_owned(), value.clone());
        }
    }
    Json::Object(kept)
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(&asked(request), tx, request.param("id"))?;
    Ok(Reply::empty(204))
}

/// The fields of an action whose argument may be null.
fn argument(name: &str, value: Json) -> Result<Fields, InvalidBody> {
    if value.is_null() { Fields::new(name, json!({})) } else { Fields::new(name, value) }
}
