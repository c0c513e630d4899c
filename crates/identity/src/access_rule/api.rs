//! `/v3/users/{user_id}/access_rules`.

use policy::AccessRule;
use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::UserId;

use super::model::RuleSpec;
use super::ops;
use crate::Error;
use crate::api::{Filters, Kind, filtered, links};

const PATH_MAX: usize = 225;
const METHODS: [&str; 6] = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"];
const FILTERS: Filters = &[("service", Kind::Text), ("path", Kind::Text), ("method", Kind::Text)];

pub(crate) fn routes() -> Routes {
    let one = "/v3/users/{user_id}/access_rules/{access_rule_id}";
    Routes::new().get("/v3/users/{user_id}/access_rules", list).get(one, show).delete(one, delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let rules = ops::list(request.caller(), tx, &UserId::from(request.param("user_id")))?;
    filtered(request, "access_rules", FILTERS, rules.iter().map(|rule| linked(request, rule)).collect())
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let user = UserId::from(request.param("user_id"));
    let rule = ops::show(request.caller(), tx, (&user, request.param("access_rule_id")))?;
    Ok(Reply::ok(json!({"access_rule": linked(request, &rule)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let user = UserId::from(request.param("user_id"));
    ops::delete(request.caller(), tx, (&user, request.param("access_rule_id")))?;
    Ok(Reply::empty(204))
}

/// Reads a rule as a new application credential names it.
pub(crate) fn spec(mut fields: Fields) -> Result<RuleSpec, InvalidBody> {
    if let Some(id) = fields.text("id")? {
        return Ok(RuleSpec::Id(id));
    }
    let service = fields.required_text("service")?;
    let method = fields.required_text("method")?;
    let path = fields.required_text("path")?;
    if service.is_empty() || service.chars().count() > 64 {
        return Err(fields.error("service", "is not the type of a service"));
    }
    if !METHODS.contains(&method.as_str()) {
        return Err(fields.error("method", format!("is not one of {}", METHODS.join(", "))));
    }
    if !path.starts_with('/') || path.chars().count() > PATH_MAX {
        return Err(fields.error("path", format!("does not begin with / or is longer than {PATH_MAX}")));
    }
    fields.finish()?;
    Ok(RuleSpec::New { service, method, path })
}

/// A rule.
pub(crate) fn view(rule: &AccessRule) -> Json {
    json!({"id": rule.id, "service": rule.service, "path": rule.path, "method": rule.method})
}

fn linked(request: &Request, rule: &AccessRule) -> Json {
    let mut view = view(rule);
    view["links"] = links(request, &format!("access_rules/{}", rule.id));
    view
}
