//! A domain's options: which can be set, and which of them are told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use types::DomainId;

use super::options::{Known, OPTIONS, Preset};
use crate::SecurityCompliance;

/// Options by group and name, with whatever value clients gave them.
pub type Groups = BTreeMap<String, BTreeMap<String, Json>>;

/// What was set for a domain. A secret is kept as null: nobody reads it, so it is only known to be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DomainConfig {
    /// The domain.
    pub domain_id: DomainId,
    /// Its options.
    pub groups: Groups,
}

/// The part of a configuration that a request is about: all of it, a group, or one option.
#[derive(Debug, Clone, Copy)]
pub struct Part<'p> {
    /// The group, unless it is all.
    pub group: Option<&'p str>,
    /// The option, which is in a group.
    pub option: Option<&'p str>,
}

/// What new passwords must look like, which clients are told as if it were part of a configuration.
#[derive(Debug, Clone)]
pub struct PasswordRules {
    /// A regular expression.
    pub regex: Option<String>,
    /// The same for people.
    pub description: Option<String>,
}

impl PasswordRules {
    /// The part of what is demanded of users that they may read.
    pub fn of(demands: &SecurityCompliance) -> PasswordRules {
        PasswordRules {
            regex: demands.password_regex.as_ref().map(|pattern| pattern.text().to_owned()),
            description: demands.password_regex_description.clone(),
        }
    }
}

impl Part<'_> {
    /// Nothing left out.
    pub const ALL: Part<'static> = Part { group: None, option: None };

    /// Why there can be no such part.
    pub fn refusal(self) -> Option<String> {
        let group = self.group?;
        if !OPTIONS.iter().any(|known| known.group == group) {
            return Some(format!("Group {group} is not supported for domain specific configurations"));
        }
        let option = self.option?;
        let known = OPTIONS.iter().any(|known| known.group == group && known.name == option);
        (!known).then(|| {
            format!("Option {option} in group {group} is not supported for domain specific configurations")
        })
    }

    /// The part as a message names it.
    pub fn told(self) -> String {
        match (self.group, self.option) {
            (Some(group), Some(option)) => format!("option {option} in group {group}"),
            (Some(group), None) => format!("group {group}"),
            _ => "any options".to_owned(),
        }
    }

    fn has(self, group: &str, option: &str) -> bool {
        self.group.is_none_or(|wanted| wanted == group) && self.option.is_none_or(|wanted| wanted == option)
    }

    /// The options of this part.
    pub fn of(self, groups: &Groups) -> Groups {
        kept(groups, |group, option| self.has(group, option))
    }

    /// Everything but this part.
    pub fn rest_of(self, groups: &Groups) -> Groups {
        kept(groups, |group, option| !self.has(group, option))
    }
}

/// The same without secrets.
pub fn public(groups: &Groups) -> Groups {
    kept(groups, |group, option| !is_secret(group, option))
}

/// The same with secrets forgotten but for their being there.
pub fn without_secrets(mut groups: Groups) -> Groups {
    for (group, options) in &mut groups {
        options.iter_mut().filter(|(option, _)| is_secret(group, option)).for_each(|(_, v)| *v = Json::Null);
    }
    groups
}

fn is_secret(group: &str, option: &str) -> bool {
    let is_it = |known: &&Known| known.group == group && known.name == option;
    OPTIONS.iter().find(is_it).is_some_and(|known| matches!(known.preset, Preset::Secret))
}

fn kept(groups: &Groups, wanted: impl Fn(&str, &str) -> bool) -> Groups {
    let within = |group: &str, options: &BTreeMap<String, Json>| {
        let options = options.iter().filter(|(option, _)| wanted(group, option));
        options.map(|(option, value)| (option.clone(), value.clone())).collect::<BTreeMap<_, _>>()
    };
    let kept = groups.iter().map(|(group, options)| (group.clone(), within(group, options)));
    kept.filter(|(_, options)| !options.is_empty()).collect()
}

/// Why groups cannot be set, or not where the request said.
pub fn refusal(groups: &Groups, part: Part<'_>) -> Option<String> {
    if groups.is_empty() {
        return Some("No options specified".to_owned());
    }
    for (group, options) in groups {
        for option in options.keys() {
            if let Some(refusal) = (Part { group: Some(group), option: Some(option) }).refusal() {
                return Some(refusal);
            }
        }
    }
    part.refusal().or_else(|| beside(groups, part))
}

/// Why these groups are more or other than the part that the request is about.
fn beside(groups: &Groups, part: Part<'_>) -> Option<String> {
    let group = part.group?;
    let inside = groups.get(group);
    match part.option {
        None if groups.len() != 1 => Some(format!(
            "Trying to update group {group}, so that, and only that, group must be specified in the config"
        )),
        None => inside.is_none().then(|| {
            let other = groups.keys().next().map_or("", String::as_str);
            format!("request to update group {group}, but config provided contains group {other} instead")
        }),
        Some(option) => {
            let options = inside?;
            if options.len() != 1 {
                return Some(format!(
                    "Trying to update option {option} in group {group}, so that, and only that, option must be \
                     specified  in the config"
                ));
            }
            let other = options.keys().next().filter(|other| *other != option)?;
            Some(format!(
                "Trying to update option {option} in group {group}, but config provided contains option {other} \
                 instead"
            ))
        }
    }
}
