//! Quota classes over HTTP.

use rest::{InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::api::{LIMIT_MAX, said, view};
use super::{UNLIMITED, ops};
use crate::api::{own, sole_fields};
use crate::error::Error;

/// The longest name.
const NAME_CHARS_MAX: usize = 255;

/// The routes of quota classes.
pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/os-quota-class-sets/{name}", own(show))
        .put("/os-quota-class-sets/{name}", own(update))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let name = request.param("name");
    let limits = ops::show_class(request.caller(), tx, name)?;
    let mut set = view(tx, &limits)?;
    set.insert("id".to_owned(), name.into());
    Ok(Reply::ok(json!({"quota_class_set": set})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let name = request.param("name");
    let length = name.chars().count();
    if length > NAME_CHARS_MAX {
        let text = format!("quota_class_name has {length} characters, more than {NAME_CHARS_MAX}.");
        return Err(Error::Invalid(text));
    }
    let said = said(tx, sole_fields(request, "quota_class_set")?, "quota class set")?;
    let said = said.into_iter().map(|(name, resource, value)| {
        let problem = || InvalidBody::at(format!("quota_class_set.{name}"), "is not a limit");
        Ok((resource, limit_of(&value).ok_or_else(problem)?))
    });
    let said = said.collect::<Result<_, InvalidBody>>()?;
    let limits = ops::update_class(request.caller(), tx, name, said)?;
    Ok(Reply::ok(json!({"quota_class_set": view(tx, &limits)?})))
}

/// A whole number; spelled as a string it has digits only.
fn limit_of(value: &Json) -> Option<i64> {
    let limit = match value {
        Json::Number(number) => number.as_i64(),
        Json::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        Json::String(_) | Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    };
    limit.filter(|limit| (UNLIMITED..=LIMIT_MAX).contains(limit))
}
