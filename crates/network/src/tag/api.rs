//! Tags over HTTP.

use std::collections::BTreeSet;

use policy::Caller;
use rest::{Fields, Method, Reply, Request, Routes};
use serde_json::json;
use store::{Stored, Tx};

use crate::Error;
use crate::api::{self, finish};
use crate::resource::{self, Resource};

/// The longest tag, as in Neutron.
const TAG_LEN_MAX: usize = 255;
/// How many tags a resource can have, as in Neutron.
const TAGS_MAX: usize = 50;

/// Shows a resource to a caller who may see it.
type Show<R, I> = fn(&Caller, &mut Tx<'_>, I) -> Result<Stored<R>, Error>;

/// The routes of one kind of resource.
pub(crate) fn routes<R: Resource, I: std::str::FromStr + 'static>(show: Show<R, I>) -> Routes {
    let (all, one) = (api::path::<R>("/{id}/tags"), api::path::<R>("/{id}/tags/{tag}"));
    let found = move |request: &Request, tx: &mut Tx<'_>| {
        let id: I = resource::id::<R, I>(request.param("id"))?;
        show(request.caller(), tx, id)
    };
    Routes::new()
        .get(&all, move |request, tx| {
            let row = found(request, tx)?;
            Ok::<_, Error>(Reply::ok(json!({"tags": row.standard().tags})))
        })
        .put(&all, move |request, tx| {
            let tags = wanted(request)?;
            let row = found(request, tx)?;
            let row = change(request, tx, row, |old| *old = tags)?;
            Ok::<_, Error>(Reply::ok(json!({"tags": row.standard().tags})))
        })
        .delete(&all, move |request, tx| {
            let row = found(request, tx)?;
            change(request, tx, row, BTreeSet::clear)?;
            Ok::<_, Error>(Reply::empty(204))
        })
        .get(&one, move |request, tx| {
            let row = found(request, tx)?;
            if row.standard().tags.contains(request.param("tag")) {
                Ok(Reply::empty(204))
            } else {
                Err(absent(request))
            }
        })
        .put(&one, move |request, tx| {
            let row = found(request, tx)?;
            let tag = checked(request.param("tag"))?;
            let mut tags = row.standard().tags.clone();
            tags.insert(tag);
            let tags = bounded(tags)?;
            change(request, tx, row, |old| *old = tags)?;
            Ok::<_, Error>(Reply::empty(201))
        })
        .write(Method::DELETE, &one, move |request, tx| {
            let row = found(request, tx)?;
            if !row.standard().tags.contains(request.param("tag")) {
                return Err(absent(request));
            }
            change(request, tx, row, |tags| tags.retain(|tag| tag != request.param("tag")))?;
            Ok::<_, Error>(Reply::empty(204))
        })
}

fn absent(request: &Request) -> Error {
    Error::TagNotFound { tag: request.param("tag").to_owned() }
}

fn change<R: Resource>(
    request: &Request,
    tx: &mut Tx<'_>,
    mut row: Stored<R>,
    edit: impl FnOnce(&mut BTreeSet<String>),
) -> Result<Stored<R>, Error> {
    resource::check(request.caller(), &format!("update_{}", R::SINGULAR), &row.standard().project_id)?;
    edit(&mut row.standard_mut().tags);
    row.standard_mut().updated_at = tx.now();
    R::table().save(tx, &mut row)?;
    Ok(row)
}

fn wanted(request: &Request) -> Result<BTreeSet<String>, Error> {
    let mut fields = Fields::new("", request.json()?)?;
    let tags = fields.texts("tags")?;
    finish(fields)?;
    let Some(tags) = tags else {
        return Err(Error::invalid("tags", "a list of tags is required"));
    };
    let tags: BTreeSet<String> = tags.iter().map(|tag| checked(tag)).collect::<Result<_, _>>()?;
    bounded(tags)
}

fn checked(tag: &str) -> Result<String, Error> {
    if tag.is_empty() || tag.chars().count() > TAG_LEN_MAX {
        return Err(Error::invalid(
            "tags",
            format!("'{tag}' is not between 1 and {TAG_LEN_MAX} characters long"),
        ));
    }
    Ok(tag.to_owned())
}

fn bounded(tags: BTreeSet<String>) -> Result<BTreeSet<String>, Error> {
    if tags.len() > TAGS_MAX {
        return Err(Error::invalid("tags", format!("there are more than {TAGS_MAX} tags")));
    }
    Ok(tags)
}
