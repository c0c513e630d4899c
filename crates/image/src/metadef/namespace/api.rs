//! Namespaces over HTTP.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::ops::{NamespaceFilter, Whole};
use super::store::SORTABLE;
use super::{Contents, Namespace, NamespaceDraft, ops};
use crate::api::{LIMIT_DEFAULT, link};
use crate::error::Error;
use crate::metadef::api::{
    NAME_CHARS_MAX, body, check_visibility, flag, name, objects, paging, present, text, unfit,
};
use crate::metadef::object::api as object;
use crate::metadef::property::shape::{shapes, views};
use crate::metadef::resource_type::api as resource_type;
use crate::metadef::tag::api as tag;

/// Where namespaces are, as clients are told.
const PATH: &str = "/v2/metadefs/namespaces";
/// The longest description.
const DESCRIPTION_CHARS_MAX: usize = 500;
/// The longest owner.
const OWNER_CHARS_MAX: usize = 255;
/// What the service alone sets.
const READ_ONLY: [&str; 4] = ["self", "schema", "created_at", "updated_at"];

/// The routes of namespaces.
pub(crate) fn routes() -> Routes {
    let one = "/v2/metadefs/namespaces/{namespace}";
    Routes::new().get(PATH, index).post(PATH, create).get(one, show).put(one, update).delete(one, delete)
}

fn href(namespace: &Namespace) -> String {
    format!("{PATH}/{}", namespace.name)
}

fn view(namespace: &Namespace) -> Json {
    present(json!({
        "namespace": namespace.name,
        "display_name": namespace.display_name,
        "description": namespace.description,
        "visibility": namespace.visibility(),
        "protected": namespace.protected,
        "owner": namespace.owner,
        "created_at": namespace.created_at.iso_z(),
        "updated_at": namespace.updated_at.iso_z(),
        "self": href(namespace),
        "schema": "/v2/schemas/metadefs/namespace",
    }))
}

/// A namespace with what is in it, as it looks for this type of resource.
fn whole(whole: &Whole, resource_type: Option<&str>) -> Json {
    let namespace = &whole.namespace;
    let association =
        whole.associations.iter().find(|association| Some(association.name.as_str()) == resource_type);
    let prefix =
        association.and_then(|association| association.content.prefix.as_deref()).unwrap_or_default();
    let mut view = view(namespace);
    let mut put = |name: &str, value: Json| {
        if !matches!(&value, Json::Array(list) if list.is_empty())
            && !matches!(&value, Json::Object(fields) if fields.is_empty())
        {
            view[name] = value;
        }
    };
    put("objects", whole.objects.iter().map(|o| object::view(o, &namespace.name, prefix)).collect());
    put("properties", views(whole.properties.iter().map(|p| (&p.name, &p.content)), prefix));
    put("tags", whole.tags.iter().map(|tag| json!({"name": tag.name})).collect());
    put("resource_type_associations", whole.associations.iter().map(|a| resource_type::view(a)).collect());
    view
}

fn draft(fields: &mut Fields) -> Result<NamespaceDraft, InvalidBody> {
    let name = name(fields, "namespace")?;
    let public = match text(fields, "visibility", usize::MAX)?.as_deref() {
        None | Some("private") => false,
        Some("public") => true,
        Some(other) => {
            return Err(fields.error("visibility", format!("is not one of public, private: {other}")));
        }
    };
    let owner = text(fields, "owner", OWNER_CHARS_MAX)?.filter(|owner| !owner.is_empty());
    Ok(NamespaceDraft {
        name,
        display_name: text(fields, "display_name", NAME_CHARS_MAX)?,
        description: text(fields, "description", DESCRIPTION_CHARS_MAX)?,
        public,
        protected: flag(fields, "protected")?.unwrap_or(false),
        owner: owner.map(|owner| owner.as_str().into()),
    })
}

fn contents(fields: &mut Fields) -> Result<Contents, InvalidBody> {
    let associations = objects(fields, "resource_type_associations")?;
    let inner = objects(fields, "objects")?;
    Ok(Contents {
        associations: associations.into_iter().map(resource_type::association).collect::<Result<_, _>>()?,
        objects: inner.into_iter().map(object::object).collect::<Result<_, _>>()?,
        properties: shapes(fields, "properties")?.unwrap_or_default(),
        tags: tag::tags(fields)?,
    })
}

fn said(request: &Request) -> Result<(NamespaceDraft, Contents), Error> {
    let mut fields = body(request, &READ_ONLY)?;
    let mut read = || {
        let draft = draft(&mut fields)?;
        Ok((draft, contents(&mut fields)?))
    };
    let unfit = unfit("namespace");
    let said = read().map_err(&unfit)?;
    fields.finish().map_err(&unfit)?;
    Ok(said)
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let visibility = check_visibility(request, &["public", "private"])?.map(str::to_owned);
    let types = request.query("resource_types");
    let resource_types = types.map(|types| types.split(',').map(str::to_owned).collect());
    let mut paging = paging(request, &SORTABLE)?;
    let limit = *paging.limit.get_or_insert(LIMIT_DEFAULT);
    let found = ops::list(request.caller(), tx, &NamespaceFilter { visibility, resource_types }, &paging)?;
    let listed = found.iter().map(|(namespace, associations)| {
        let mut view = view(namespace);
        if !associations.is_empty() {
            view["resource_type_associations"] =
                associations.iter().map(|association| resource_type::view(association)).collect();
        }
        view
    });
    let mut body = json!({
        "namespaces": listed.collect::<Vec<_>>(),
        "first": link(request, PATH, None),
        "schema": "/v2/schemas/metadefs/namespaces",
    });
    if let Some((last, _)) = found.last().filter(|_| found.len() == limit as usize) {
        body["next"] = link(request, PATH, Some(&last.name)).into();
    }
    Ok(Reply::ok(body))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (draft, contents) = said(request)?;
    let made = ops::create(request.caller(), tx, draft, contents)?;
    let location = format!("{}{}", request.base_url, href(&made.namespace));
    Ok(Reply::created(whole(&made, None)).header("location", location))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    check_visibility(request, &["public", "private"])?;
    let found = ops::show(request.caller(), tx, request.param("namespace"))?;
    Ok(Reply::ok(whole(&found, request.query("resource_type"))))
}

/// What is said of entries here is checked and changes none of them, as upstream.
fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (draft, _) = said(request)?;
    let namespace = ops::update(request.caller(), tx, request.param("namespace"), draft)?;
    Ok(Reply::ok(view(&namespace)))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("namespace"))?;
    Ok(Reply::empty(204))
}
