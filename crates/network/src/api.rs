//! What all resources share on the wire: the envelope of bodies, the standard attributes, lists.

use policy::Caller;
use rest::{Fields, Reply, Request};
use serde_json::{Value as Json, json};
use store::{Stored, Tx};
use types::{IpNet, ProjectId};

use crate::list::{self, Columns};
use crate::resource::{Label, Resource, TEXT_LEN_MAX};
use crate::{Error, list::Scope};

/// Attributes that the service alone writes.
const READ_ONLY: [&str; 5] = ["id", "status", "created_at", "updated_at", "revision_number"];

/// Writes one resource as its clients see it.
pub(crate) type View<R> = fn(&Caller, &mut Tx<'_>, &Stored<R>) -> Result<Json, Error>;

/// Where every path of this service begins.
pub(crate) fn path<R: Resource>(rest: &str) -> String {
    format!("/v2.0/{}{rest}", R::PLURAL.replace('_', "-"))
}

/// Runs `create` for the one body under the singular name, or for each of those under the plural, and answers in kind.
pub(crate) fn create_each<R: Resource>(
    request: &Request,
    tx: &mut Tx<'_>,
    mut create: impl FnMut(&mut Tx<'_>, Fields) -> Result<Stored<R>, Error>,
    view: View<R>,
) -> Result<Reply, Error> {
    let Json::Object(mut top) = request.json()? else {
        return Err(Error::HTTPBadRequest { reason: "Resource body required".to_owned() });
    };
    if let Some(many) = top.remove(R::PLURAL) {
        let Json::Array(bodies) = many else {
            return Err(Error::HTTPBadRequest { reason: format!("'{}' is not a list", R::PLURAL) });
        };
        let mut views = Vec::with_capacity(bodies.len());
        for body in bodies {
            let created = create(tx, Fields::new(R::SINGULAR, body)?)?;
            views.push(view(request.caller(), tx, &created)?);
        }
        return Ok(Reply::created(json!({ R::PLURAL: views })));
    }
    let body = top.remove(R::SINGULAR).ok_or_else(|| missing(R::SINGULAR))?;
    let created = create(tx, Fields::new(R::SINGULAR, body)?)?;
    Ok(Reply::created(json!({ R::SINGULAR: view(request.caller(), tx, &created)? })))
}

/// The fields of a change's body.
pub(crate) fn change_fields<R: Resource>(request: &Request) -> Result<Fields, Error> {
    let Json::Object(mut top) = request.json()? else {
        return Err(Error::HTTPBadRequest { reason: "Resource body required".to_owned() });
    };
    let body = top.remove(R::SINGULAR).ok_or_else(|| missing(R::SINGULAR))?;
    Ok(Fields::new(R::SINGULAR, body)?)
}

fn missing(name: &str) -> Error {
    Error::HTTPBadRequest { reason: format!("Unable to find '{name}' in request body") }
}

/// Answers with one resource.
pub(crate) fn shown<R: Resource>(
    request: &Request,
    tx: &mut Tx<'_>,
    row: &Stored<R>,
    view: View<R>,
) -> Result<Reply, Error> {
    let mut shown = view(request.caller(), tx, row)?;
    list::keep_fields(request, &mut shown);
    Ok(Reply::ok(json!({ R::SINGULAR: shown })))
}

/// Answers with a list.
pub(crate) fn listed<R: Resource>(
    request: &Request,
    tx: &mut Tx<'_>,
    scope: Scope,
    columns: Columns,
    view: View<R>,
) -> Result<Reply, Error> {
    let project = [("project_id", "project_id"), ("tenant_id", "project_id")];
    let columns: Vec<_> = columns.iter().copied().chain(project).collect();
    let answer = list::answer::<R>(request, tx, scope, &columns, view)?;
    Ok(Reply::ok(answer))
}

/// Takes the owner, under either name.
pub(crate) fn take_project(fields: &mut Fields) -> Result<Option<ProjectId>, Error> {
    let (new, old) = (fields.text("project_id")?, fields.text("tenant_id")?);
    match (new, old) {
        (Some(new), Some(old)) if new != old => {
            Err(Error::HTTPBadRequest { reason: "'project_id' and 'tenant_id' do not match".to_owned() })
        }
        (new, old) => Ok(new.or(old).filter(|id| !id.is_empty()).map(|id| id.as_str().into())),
    }
}

/// Takes name and description.
pub(crate) fn take_label(fields: &mut Fields) -> Result<Label, Error> {
    Ok(Label { name: take_text(fields, "name")?, description: take_text(fields, "description")? })
}

/// Takes a text of ordinary length; null is refused.
pub(crate) fn take_text(fields: &mut Fields, name: &str) -> Result<Option<String>, Error> {
    match fields.nullable_text(name)? {
        None => Ok(None),
        Some(None) => Err(Error::invalid(name, "'None' is not a valid string")),
        Some(Some(text)) if text.chars().count() > TEXT_LEN_MAX => {
            Err(Error::invalid(name, format!("'{text}' exceeds maximum length of {TEXT_LEN_MAX}")))
        }
        Some(Some(text)) => Ok(Some(text)),
    }
}

/// Takes an IP prefix; an address without a length stands for itself.
pub(crate) fn take_prefix(fields: &mut Fields, name: &str) -> Result<Option<IpNet>, Error> {
    let Some(text) = fields.text(name)? else { return Ok(None) };
    parse_prefix(&text)
        .map(Some)
        .ok_or_else(|| Error::invalid(name, format!("'{text}' is not a valid IP subnet")))
}

/// Reads an IP prefix or a single address.
pub(crate) fn parse_prefix(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: std::net::IpAddr| address.into()))
}

/// Refuses what was not taken.
pub(crate) fn finish(fields: Fields) -> Result<(), Error> {
    let left = fields.left();
    if left.is_empty() {
        return Ok(());
    }
    let read_only = left.iter().find(|name| READ_ONLY.contains(&name.as_str()));
    let reason = match read_only {
        Some(name) => format!("Attribute '{name}' is read-only and not allowed here"),
        None => format!("Unrecognized attribute(s) '{}'", left.join(", ")),
    };
    Err(Error::HTTPBadRequest { reason })
}

/// What clients see of a resource: its own attributes and the standard ones.
pub(crate) fn with_standard<R: Resource>(row: &Stored<R>, own: Json) -> Json {
    let standard = row.standard();
    let Json::Object(mut all) = own else { return own };
    let mut put = |name: &str, value: Json| all.insert(name.to_owned(), value);
    put("project_id", json!(standard.project_id));
    put("tenant_id", json!(standard.project_id));
    put("name", json!(standard.name));
    put("description", json!(standard.description));
    put("tags", json!(standard.tags));
    put("created_at", json!(standard.created_at.iso_z()));
    put("updated_at", json!(standard.updated_at.iso_z()));
    put("revision_number", json!(revision_number(row)));
    Json::Object(all)
}

/// A resource's revision as clients count it.
pub(crate) fn revision_number<R: Resource>(row: &Stored<R>) -> i64 {
    row.revision() + 1
}

/// Refuses a change that was meant for another revision: `If-Match: revision_number=3`.
pub(crate) fn check_revision<R: Resource>(request: &Request, row: &Stored<R>) -> Result<(), Error> {
    let Some(wanted) = request.header("if-match") else { return Ok(()) };
    let number =
        wanted.trim().trim_matches('"').strip_prefix("revision_number=").and_then(|n| n.parse().ok());
    let bad = || Error::HTTPBadRequest { reason: format!("Invalid If-Match header: {wanted}") };
    let expected: i64 = number.ok_or_else(bad)?;
    let current = revision_number(row);
    if expected == current {
        Ok(())
    } else {
        Err(Error::RevisionNumberConstraintFailed { expected, current })
    }
}
