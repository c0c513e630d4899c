//! The mapping language: from the JSON of rules to rules that can be applied, or to what is wrong with them.

use regex_lite::Regex;
use rest::{Fields, InvalidBody};
use serde_json::Value as Json;

use super::model::Version;

/// A rule: if all of `remote` is so, all of `local` holds.
#[derive(Debug)]
pub struct Rule {
    /// What the assertion must say.
    pub remote: Vec<Requirement>,
    /// What then is so here.
    pub local: Vec<Local>,
}

/// What the assertion must say of one attribute.
#[derive(Debug)]
pub struct Requirement {
    /// The attribute, which must be there in any case.
    pub attribute: String,
    /// What of its values.
    pub test: Test,
}

/// What a requirement makes of an attribute's values.
#[derive(Debug)]
pub enum Test {
    /// All are taken.
    All,
    /// One must match; none is taken.
    AnyOneOf(Pattern),
    /// None may match; none is taken.
    NotAnyOf(Pattern),
    /// Those that match are taken.
    Whitelist(Pattern),
    /// Those that do not match are taken.
    Blacklist(Pattern),
}

/// What a value is compared with.
#[derive(Debug)]
pub enum Pattern {
    /// It is one of these.
    Words(Vec<String>),
    /// One of these is somewhere in it.
    Expressions(Vec<Regex>),
}

impl Pattern {
    /// Whether the value matches.
    pub fn fits(&self, value: &str) -> bool {
        match self {
            Pattern::Words(words) => words.iter().any(|word| word == value),
            Pattern::Expressions(expressions) => expressions.iter().any(|regex| regex.is_match(value)),
        }
    }
}

/// What is so here; the texts are templates, in which `{0}` stands for what the first requirement took.
#[derive(Debug, Default)]
pub struct Local {
    /// The user.
    pub user: Option<LocalUser>,
    /// A group.
    pub group: Option<LocalGroup>,
    /// Names of groups, in `domain`.
    pub groups: Option<String>,
    /// Ids of groups.
    pub group_ids: Option<String>,
    /// The domain of what names none.
    pub domain: Option<LocalDomain>,
    /// Projects.
    pub projects: Option<Vec<LocalProject>>,
    /// The attribute that holds projects as JSON.
    pub projects_json: Option<usize>,
}

/// A user.
#[derive(Debug, Default)]
pub struct LocalUser {
    /// What the user is known by.
    pub id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The address.
    pub email: Option<String>,
    /// The domain.
    pub domain: Option<LocalDomain>,
    /// Whether a user is meant who was there before.
    pub local: bool,
}

/// A group.
#[derive(Debug)]
pub enum LocalGroup {
    /// By id.
    Id(String),
    /// By name.
    Name(String, LocalDomain),
}

/// A domain; the id counts more than the name.
#[derive(Debug, Clone, Default)]
pub struct LocalDomain {
    /// By id.
    pub id: Option<String>,
    /// By name.
    pub name: Option<String>,
}

/// A project.
#[derive(Debug)]
pub struct LocalProject {
    /// Its name.
    pub name: String,
    /// Its domain.
    pub domain: Option<LocalDomain>,
    /// Names of roles.
    pub roles: Vec<String>,
}

/// The rules that the JSON spells.
pub fn rules(version: Version, rules: &Json) -> Result<Vec<Rule>, InvalidBody> {
    let items = match rules {
        Json::Array(items) if !items.is_empty() => items,
        _ => return Err(InvalidBody::at("rules", "is not a list with something in it")),
    };
    let rule = |(n, item): (usize, &Json)| rule(version, Fields::new(&format!("rules.{n}"), item.clone())?);
    items.iter().enumerate().map(rule).collect()
}

fn rule(version: Version, mut fields: Fields) -> Result<Rule, InvalidBody> {
    let missing = |fields: &Fields, name| fields.error(name, "is a required property");
    let remote = fields.objects("remote")?.ok_or_else(|| missing(&fields, "remote"))?;
    if remote.is_empty() {
        return Err(fields.error("remote", "should be non-empty"));
    }
    let locals = fields.objects("local")?.ok_or_else(|| missing(&fields, "local"))?;
    fields.finish()?;
    Ok(Rule {
        remote: remote.into_iter().map(requirement).collect::<Result<_, _>>()?,
        local: locals.into_iter().map(|item| local(version, item)).collect::<Result<_, _>>()?,
    })
}

fn requirement(mut fields: Fields) -> Result<Requirement, InvalidBody> {
    let attribute = required(&mut fields, "type")?;
    type Make = fn(Pattern) -> Test;
    let tests: [(&str, Make); 4] = [
        ("any_one_of", Test::AnyOneOf),
        ("not_any_of", Test::NotAnyOf),
        ("whitelist", Test::Whitelist),
        ("blacklist", Test::Blacklist),
    ];
    let mut test = Test::All;
    if let Some((name, make)) = tests.into_iter().find(|(name, _)| fields.has(name)) {
        let words = fields.texts(name)?.ok_or_else(|| fields.error(name, "is not a list"))?;
        let is_regex = crate::api::flag(&mut fields, "regex")?.unwrap_or(false);
        test = make(pattern(&fields, name, words, is_regex)?);
    }
    fields.finish()?;
    Ok(Requirement { attribute, test })
}

fn pattern(fields: &Fields, name: &str, words: Vec<String>, is_regex: bool) -> Result<Pattern, InvalidBody> {
    if !is_regex {
        return Ok(Pattern::Words(words));
    }
    let compiled = words.iter().map(|word| {
        Regex::new(word).map_err(|e| fields.error(name, format!("has a pattern that is not usable: {e}")))
    });
    compiled.collect::<Result<_, _>>().map(Pattern::Expressions)
}

fn local(version: Version, mut fields: Fields) -> Result<Local, InvalidBody> {
    let mut local = Local {
        user: fields.object("user")?.map(user).transpose()?,
        group: fields.object("group")?.map(group).transpose()?,
        groups: fields.text("groups")?,
        group_ids: fields.text("group_ids")?,
        domain: fields.object("domain")?.map(domain).transpose()?,
        projects: None,
        projects_json: None,
    };
    if let Some(items) = fields.objects("projects")? {
        local.projects =
            Some(items.into_iter().map(|item| project(version, item)).collect::<Result<_, _>>()?);
    }
    if version >= Version::V3
        && let Some(place) = fields.text("projects_json")?
    {
        let number = place.trim_start_matches('{').trim_end_matches('}').parse().ok();
        let problem = || fields.error("projects_json", "is no place such as {0}");
        local.projects_json = Some(number.ok_or_else(problem)?);
    }
    fields.finish().map(|()| local)
}

fn user(mut fields: Fields) -> Result<LocalUser, InvalidBody> {
    let local = match fields.text("type")?.as_deref() {
        None | Some("ephemeral") => false,
        Some("local") => true,
        Some(_) => return Err(fields.error("type", "is neither ephemeral nor local")),
    };
    let user = LocalUser {
        id: fields.text("id")?,
        name: fields.text("name")?,
        email: fields.text("email")?,
        domain: fields.object("domain")?.map(domain).transpose()?,
        local,
    };
    fields.finish().map(|()| user)
}

fn group(mut fields: Fields) -> Result<LocalGroup, InvalidBody> {
    let group = if fields.has("id") {
        LocalGroup::Id(required(&mut fields, "id")?)
    } else {
        let of = fields.object("domain")?.ok_or_else(|| fields.error("domain", "is a required property"))?;
        LocalGroup::Name(required(&mut fields, "name")?, domain(of)?)
    };
    fields.finish().map(|()| group)
}

fn domain(mut fields: Fields) -> Result<LocalDomain, InvalidBody> {
    let domain = LocalDomain { id: fields.text("id")?, name: fields.text("name")? };
    fields.finish().map(|()| domain)
}

/// A project with the user's roles in it; the same in rules and in an assertion.
pub fn project(version: Version, mut fields: Fields) -> Result<LocalProject, InvalidBody> {
    let name = required(&mut fields, "name")?;
    let roles = fields.objects("roles")?.ok_or_else(|| fields.error("roles", "is a required property"))?;
    let role = |mut fields: Fields| {
        let name = required(&mut fields, "name")?;
        fields.finish().map(|()| name)
    };
    let roles = roles.into_iter().map(role).collect::<Result<_, InvalidBody>>()?;
    let of = if version >= Version::V2 { fields.object("domain")?.map(domain).transpose()? } else { None };
    fields.finish()?;
    Ok(LocalProject { name, domain: of, roles })
}

fn required(fields: &mut Fields, name: &str) -> Result<String, InvalidBody> {
    fields.text(name)?.ok_or_else(|| fields.error(name, "is a required property"))
}
