//! A user's options: exceptions from what the operator demands of all, and what it takes to log in.

use std::collections::BTreeMap;

use rest::{Fields, InvalidBody};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The options that are on or off.
const FLAGS: [&str; 6] = [
    "ignore_change_password_upon_first_use",
    "ignore_password_expiry",
    "ignore_lockout_failure_attempts",
    "lock_password",
    "ignore_user_inactivity",
    "multi_factor_auth_enabled",
];
const RULES: &str = "multi_factor_auth_rules";

/// The options that were set; what was not set is not shown either.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserOptions {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    flags: BTreeMap<String, bool>,
    /// Sets of methods, one of which it takes to log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_factor_auth_rules: Option<Vec<Vec<String>>>,
}

impl UserOptions {
    /// Whether the option is on.
    pub fn is_set(&self, name: &str) -> bool {
        self.flags.get(name).copied().unwrap_or(false)
    }

    /// The sets of methods of which a login has to show one, if there are rules and they are not turned off.
    pub fn demanded_methods(&self) -> &[Vec<String>] {
        match self.flags.get("multi_factor_auth_enabled") {
            Some(false) => &[],
            Some(true) | None => self.multi_factor_auth_rules.as_deref().unwrap_or_default(),
        }
    }
}

/// What becomes of some options; inner none takes one away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OptionsChange {
    flags: BTreeMap<String, Option<bool>>,
    rules: Option<Option<Vec<Vec<String>>>>,
}

impl OptionsChange {
    /// Changes these options.
    pub(crate) fn apply(self, options: &mut UserOptions) {
        for (name, flag) in self.flags {
            match flag {
                Some(flag) => options.flags.insert(name, flag),
                None => options.flags.remove(&name),
            };
        }
        if let Some(rules) = self.rules {
            options.multi_factor_auth_rules = rules;
        }
    }
}

/// Takes the options out of a body.
pub(crate) fn body(user: &mut Fields) -> Result<OptionsChange, InvalidBody> {
    let Some(value) = user.take("options") else { return Ok(OptionsChange::default()) };
    let mut fields = Fields::new("user.options", value)?;
    let mut change = OptionsChange::default();
    for name in FLAGS {
        match fields.take(name) {
            None => {}
            Some(Json::Null) => drop(change.flags.insert(name.to_owned(), None)),
            Some(Json::Bool(flag)) => drop(change.flags.insert(name.to_owned(), Some(flag))),
            Some(_) => return Err(fields.error(name, "is not a boolean")),
        }
    }
    change.rules = match fields.take(RULES) {
        None => None,
        Some(Json::Null) => Some(None),
        Some(value) => Some(Some(rules(&value).map_err(|problem| fields.error(RULES, problem))?)),
    };
    fields.finish()?;
    Ok(change)
}

/// A list of lists of words: no list is empty, none and no word in one comes twice.
fn rules(value: &Json) -> Result<Vec<Vec<String>>, &'static str> {
    let mut rules: Vec<Vec<String>> = Vec::new();
    for rule in value.as_array().ok_or("is not a list")? {
        let mut methods: Vec<String> = Vec::new();
        for method in rule.as_array().ok_or("holds something that is not a list")? {
            let method = method.as_str().ok_or("names a method by something that is not a string")?;
            if methods.iter().any(|known| known == method) {
                return Err("names a method twice in one rule");
            }
            methods.push(method.to_owned());
        }
        if methods.is_empty() {
            return Err("holds an empty rule");
        }
        if rules.contains(&methods) {
            return Err("holds a rule twice");
        }
        rules.push(methods);
    }
    Ok(rules)
}

/// The options as clients see them.
pub(crate) fn view(options: &UserOptions) -> Json {
    let mut view: serde_json::Map<String, Json> =
        options.flags.iter().map(|(name, flag)| (name.clone(), Json::Bool(*flag))).collect();
    if let Some(rules) = &options.multi_factor_auth_rules {
        view.insert(RULES.to_owned(), rules.clone().into());
    }
    Json::Object(view)
}
