//! Applying a mapping: from an assertion and rules to whom that means here, or to why it means nobody. Pure.

use rest::Fields;
use serde_json::Value as Json;

use super::language::{
    self, Local, LocalDomain, LocalGroup, LocalProject, LocalUser, Requirement, Rule, Test,
};
use super::model::{Assertion, Mapped, MappedProject, MappedUser, Version};
use crate::login::model::DomainSpec;

/// Why an assertion means nobody here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No rule applies.
    #[error(
        "Could not map any federated user properties to identity values. Check debug logs or the mapping used for \
         additional details."
    )]
    NoRule,
    /// A template names a match that there is not, or is none.
    #[error("the template {0:?} of the mapping cannot be filled")]
    Template(String),
    /// Groups by name without a domain.
    #[error("Invalid rule: {0}. Both 'groups' and 'domain' keywords must be specified.")]
    NoDomain(String),
    /// What is to be projects, or a group, is not.
    #[error("an attribute does not hold what the mapping expects: {0}")]
    Attribute(String),
}

/// What the requirements of a rule took out of the assertion, in their order.
type Matches<'a> = [Vec<&'a str>];

/// Whom the assertion means.
pub fn apply(version: Version, rules: &[Rule], assertion: &Assertion) -> Result<Mapped, Refusal> {
    let mut mapped = Mapped::default();
    let mut user = None;
    let mut fallback = None;
    let mut applied = false;
    for rule in rules {
        let Some(matches) = matches(&rule.remote, assertion) else { continue };
        for local in &rule.local {
            applied = true;
            let domain = local.domain.as_ref().map(|domain| filled_domain(domain, &matches)).transpose()?;
            let domain = domain.flatten();
            add_groups(&mut mapped, local, domain.as_ref(), &matches)?;
            if let (None, Some(found)) = (&user, &local.user) {
                user = Some(filled_user(found, &matches)?);
            }
            let projects = projects(version, local, domain.as_ref(), &matches)?;
            mapped.projects = projects.unwrap_or(mapped.projects);
            fallback = domain;
        }
    }
    if !applied {
        return Err(Refusal::NoRule);
    }
    mapped.user = user.unwrap_or_default();
    // From 2.0 on the last domain beside a user is the user's, unless it names one.
    if version >= Version::V2 && mapped.user.domain.is_none() {
        mapped.user.domain = fallback;
    }
    Ok(mapped)
}

/// What the rule takes out of the assertion; none if it does not apply.
fn matches<'a>(requirements: &[Requirement], assertion: &'a Assertion) -> Option<Vec<Vec<&'a str>>> {
    let mut all = Vec::new();
    for Requirement { attribute, test } in requirements {
        let values = assertion.get(attribute).filter(|values| !values.is_empty())?;
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        match test {
            Test::All => all.push(values),
            Test::AnyOneOf(pattern) if values.iter().any(|value| pattern.fits(value)) => {}
            Test::NotAnyOf(pattern) if !values.iter().any(|value| pattern.fits(value)) => {}
            Test::AnyOneOf(_) | Test::NotAnyOf(_) => return None,
            Test::Whitelist(pattern) => {
                all.push(values.into_iter().filter(|value| pattern.fits(value)).collect());
            }
            Test::Blacklist(pattern) => {
                all.push(values.into_iter().filter(|value| !pattern.fits(value)).collect());
            }
        }
    }
    Some(all)
}

fn filled_user(user: &LocalUser, matches: &Matches<'_>) -> Result<MappedUser, Refusal> {
    let text = |template: &Option<String>| template.as_ref().map(|t| filled(t, matches)).transpose();
    Ok(MappedUser {
        id: text(&user.id)?,
        name: text(&user.name)?,
        email: text(&user.email)?,
        domain: user.domain.as_ref().map(|domain| filled_domain(domain, matches)).transpose()?.flatten(),
        local: user.local,
    })
}

fn filled_domain(domain: &LocalDomain, matches: &Matches<'_>) -> Result<Option<DomainSpec>, Refusal> {
    match (&domain.id, &domain.name) {
        (Some(id), _) => filled(id, matches).map(DomainSpec::Id).map(Some),
        (None, Some(name)) => filled(name, matches).map(DomainSpec::Name).map(Some),
        (None, None) => Ok(None),
    }
}

fn add_groups(
    mapped: &mut Mapped,
    local: &Local,
    domain: Option<&DomainSpec>,
    matches: &Matches<'_>,
) -> Result<(), Refusal> {
    match &local.group {
        None => {}
        Some(LocalGroup::Id(id)) => {
            mapped.group_ids.insert(filled(id, matches)?);
        }
        Some(LocalGroup::Name(name, of)) => {
            let name = filled(name, matches)?;
            let of = filled_domain(of, matches)?.ok_or_else(|| Refusal::NoDomain(name.clone()))?;
            mapped.groups.insert((name, of));
        }
    }
    if let Some(template) = &local.group_ids {
        mapped.group_ids.extend(filled_list(template, matches)?);
    }
    if let Some(template) = &local.groups {
        for name in filled_list(template, matches)? {
            mapped.groups.insert(named_group(name, domain)?);
        }
    }
    Ok(())
}

/// A group by name. A name that begins with `JSON:` brings its domain along.
fn named_group(name: String, domain: Option<&DomainSpec>) -> Result<(String, DomainSpec), Refusal> {
    let Some(json) = name.strip_prefix("JSON:") else {
        let domain = domain.ok_or_else(|| Refusal::NoDomain(name.clone()))?;
        return Ok((name, domain.clone()));
    };
    let group: Json = serde_json::from_str(json).map_err(|e| Refusal::Attribute(e.to_string()))?;
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let of = &group["domain"];
    let of = text(&of["id"]).map(DomainSpec::Id).or_else(|| text(&of["name"]).map(DomainSpec::Name));
    match (text(&group["name"]), of) {
        (Some(name), Some(of)) => Ok((name, of)),
        _ => Err(Refusal::NoDomain(name)),
    }
}

/// The projects that a local part gives; none if it says nothing of projects.
fn projects(
    version: Version,
    local: &Local,
    domain: Option<&DomainSpec>,
    matches: &Matches<'_>,
) -> Result<Option<Vec<MappedProject>>, Refusal> {
    if local.projects.is_none() && local.projects_json.is_none() {
        return Ok(None);
    }
    let asserted = match local.projects_json {
        Some(place) => asserted_projects(version, place, matches)?,
        None => Vec::new(),
    };
    let mut all = Vec::new();
    for project in local.projects.iter().flatten() {
        all.push(filled_project(project, matches)?);
    }
    // What comes out of an assertion is no template.
    let plain = |of: &LocalDomain| match (of.id.clone(), of.name.clone()) {
        (Some(id), _) => Some(DomainSpec::Id(id)),
        (None, name) => name.map(DomainSpec::Name),
    };
    all.extend(asserted.into_iter().map(|LocalProject { name, domain, roles }| MappedProject {
        name,
        domain: domain.as_ref().and_then(plain),
        roles,
    }));
    if version >= Version::V2 {
        for project in &mut all {
            project.domain = project.domain.take().or_else(|| domain.cloned());
        }
    }
    Ok(Some(all))
}

fn filled_project(project: &LocalProject, matches: &Matches<'_>) -> Result<MappedProject, Refusal> {
    Ok(MappedProject {
        name: filled(&project.name, matches)?,
        domain: project.domain.as_ref().map(|of| filled_domain(of, matches)).transpose()?.flatten(),
        roles: project.roles.iter().map(|role| filled(role, matches)).collect::<Result<_, _>>()?,
    })
}

fn asserted_projects(
    version: Version,
    at: usize,
    matches: &Matches<'_>,
) -> Result<Vec<LocalProject>, Refusal> {
    let values = matches.get(at).ok_or_else(|| Refusal::Template(format!("{{{at}}}")))?;
    let [text] = values.as_slice() else { return Ok(Vec::new()) };
    let wrong = |e: &dyn std::fmt::Display| Refusal::Attribute(e.to_string());
    let items: Vec<Json> = serde_json::from_str(text).map_err(|e| wrong(&e))?;
    let read = |item| language::project(version, Fields::new("projects", item)?);
    items.into_iter().map(read).collect::<Result<_, _>>().map_err(|e| wrong(&e))
}

/// A template with the matches in it. Several values stand there as a list, as Python writes one.
fn filled(template: &str, matches: &Matches<'_>) -> Result<String, Refusal> {
    let wrong = || Refusal::Template(template.to_owned());
    let mut text = String::new();
    let mut rest = template;
    let mut next = 0;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let brace = &rest[at..];
        if let Some(after) = brace.strip_prefix("{{").or_else(|| brace.strip_prefix("}}")) {
            text.push_str(&brace[..1]);
            rest = after;
            continue;
        }
        let (place, after) =
            brace.strip_prefix('{').and_then(|inside| inside.split_once('}')).ok_or_else(wrong)?;
        let place = match place {
            "" => {
                next += 1;
                next - 1
            }
            number => number.parse().map_err(|_| wrong())?,
        };
        match matches.get(place).ok_or_else(wrong)?.as_slice() {
            [one] => text.push_str(one),
            several => text.push_str(&as_list(several)),
        }
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

fn as_list(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
    format!("[{}]", quoted.join(", "))
}

/// The texts that a template stands for: one match with all its values, a list that is written out, or one text. A list
/// is looked for before values are put in, so that nobody is in a group for having a name like a list.
fn filled_list(template: &str, matches: &Matches<'_>) -> Result<Vec<String>, Refusal> {
    let place = template.trim().strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    if let Some(place) = place.and_then(|place| place.parse::<usize>().ok()) {
        let values = matches.get(place).ok_or_else(|| Refusal::Template(template.to_owned()))?;
        return Ok(values.iter().map(|value| (*value).to_owned()).collect());
    }
    match written_list(template) {
        Some(items) => items.iter().map(|item| filled(item, matches)).collect(),
        None => Ok(vec![filled(template, matches)?]),
    }
}

/// The texts of a list such as `['a', "b"]`; none if it is no such list.
fn written_list(text: &str) -> Option<Vec<String>> {
    let inside = text.trim().strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut items = Vec::new();
    let mut rest = inside;
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (item, after) = rest[1..].split_once(quote)?;
        items.push(item.to_owned());
        rest = after.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    Some(items)
}
