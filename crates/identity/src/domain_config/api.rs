//! `/v3/domains/{domain_id}/config`, and the options' defaults.

use std::collections::BTreeMap;

use rest::{InvalidBody, Reply, Request, Routes};
use serde_json::{Map, Value as Json, json};
use store::Tx;

use super::model::{Groups, Part, PasswordRules};
use super::ops;
use super::options::Preset;
use crate::Error;

/// A group that no domain sets, but everybody may read.
const SECURITY: &str = "security_compliance";

pub(crate) fn routes(rules: PasswordRules) -> Routes {
    let all = "/v3/domains/{domain_id}/config";
    let group = "/v3/domains/{domain_id}/config/{group}";
    let option = "/v3/domains/{domain_id}/config/{group}/{option}";
    let rules_too = rules.clone();
    Routes::new()
        .get("/v3/domains/config/default", defaults)
        .get("/v3/domains/config/{group}/default", defaults)
        .get("/v3/domains/config/{group}/{option}/default", defaults)
        .get(all, show)
        .put(all, create)
        .patch(all, update)
        .delete(all, delete)
        .get(group, move |request, tx| show_group(request, tx, &rules))
        .patch(group, update)
        .delete(group, delete)
        .get(option, move |request, tx| show_group(request, tx, &rules_too))
        .patch(option, update)
        .delete(option, delete)
}

/// The part of the configuration that the path names.
fn part(request: &Request) -> Part<'_> {
    let named = |name: &str| Some(request.param(name)).filter(|value| !value.is_empty());
    Part { group: named("group"), option: named("option") }
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (groups, is_new) = ops::create(request.caller(), tx, request.param("domain_id"), groups(request)?)?;
    Ok(Reply::json(if is_new { 201 } else { 200 }, json!({"config": groups})))
}

/// What the body sets. That of an option names the option alone.
fn groups(request: &Request) -> Result<Groups, Error> {
    let Json::Object(mut body) = request.json()? else {
        return Err(InvalidBody::at("", "the body is not a JSON object").into());
    };
    let config = match body.remove("config") {
        None => Map::new(),
        Some(Json::Object(config)) => config,
        Some(_) => return Err(InvalidBody::at("config", "is not an object").into()),
    };
    match part(request) {
        Part { group: Some(group), option: Some(_) } => {
            Ok(Groups::from([(group.to_owned(), options(group, Json::Object(config))?)]))
        }
        _ => {
            let read = |(group, value): (String, Json)| Ok((group.clone(), options(&group, value)?));
            config.into_iter().map(read).collect()
        }
    }
}

fn options(group: &str, value: Json) -> Result<BTreeMap<String, Json>, Error> {
    match value {
        Json::Object(options) if !options.is_empty() => Ok(options.into_iter().collect()),
        _ => Err(Error::Forbidden(format!(
            "Invalid domain specific configuration: The value of group {group} specified in the config should be a \
             dictionary of options."
        ))),
    }
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let part = part(request);
    let groups = ops::show(request.caller(), tx, request.param("domain_id"), part)?;
    Ok(Reply::ok(json!({"config": narrowed(json!(groups), part)})))
}

fn show_group(request: &Request, tx: &mut Tx<'_>, rules: &PasswordRules) -> Result<Reply, Error> {
    let part = part(request);
    if part.group != Some(SECURITY) {
        return show(request, tx);
    }
    ops::refuse_password_rules(request.caller(), request.param("domain_id"), part.option)?;
    let rules = json!({"password_regex": rules.regex, "password_regex_description": rules.description});
    let view = match part.option {
        Some(option) => json!({option: rules[option]}),
        None => json!({SECURITY: rules}),
    };
    Ok(Reply::ok(json!({"config": view})))
}

/// An option is shown without its group.
fn narrowed(mut groups: Json, part: Part<'_>) -> Json {
    match part {
        Part { group: Some(group), option: Some(_) } => groups[group].take(),
        _ => groups,
    }
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (domain, part) = (request.param("domain_id"), part(request));
    let groups = ops::update(request.caller(), tx, domain, part, groups(request)?)?;
    Ok(Reply::ok(json!({"config": groups})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("domain_id"), part(request))?;
    Ok(Reply::empty(204))
}

fn defaults(request: &Request, _: &mut Tx<'_>) -> Result<Reply, Error> {
    let part = part(request);
    let mut groups = json!({});
    for (group, name, preset) in ops::presets(request.caller(), part)? {
        groups[group][name] = value(preset);
    }
    Ok(Reply::ok(json!({"config": narrowed(groups, part)})))
}

fn value(preset: Preset) -> Json {
    match preset {
        Preset::Unset | Preset::Secret => Json::Null,
        Preset::Text(text) => json!(text),
        Preset::Number(number) => json!(number),
        Preset::Seconds(seconds) => json!(seconds),
        Preset::Flag(flag) => json!(flag),
        Preset::List(list) => json!(list),
    }
}
