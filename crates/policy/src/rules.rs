//! The rules that a service comes with, and asking them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use crate::caller::ScopeKind;
use crate::expression::{Case, Expression};
use crate::parse::parse;
use crate::{Attributes, Caller, Overrides};

/// A rule as a service states it: oslo.policy's language, and the kinds of scope it is open to.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The expression.
    pub check: &'static str,
    /// Which tokens may come at all; empty for any. An operator's rule does not change it.
    pub scopes: &'static [ScopeKind],
}

impl Rule {
    /// A rule for tokens of any scope.
    pub const fn new(check: &'static str) -> Rule {
        Rule { check, scopes: &[] }
    }

    /// The same for tokens of these scopes alone.
    #[must_use]
    pub const fn within(self, scopes: &'static [ScopeKind]) -> Rule {
        Rule { check: self.check, scopes }
    }
}

/// Everybody with a valid token.
pub const ANYONE: Rule = Rule::new("");
/// Role `admin`.
pub const ADMIN: Rule = Rule::new("role:admin");
/// Role `reader` anywhere.
pub const READER: Rule = Rule::new("role:reader");
/// `admin`, or role `member` in the owning project.
pub const MEMBER_OR_ADMIN: Rule = Rule::new("role:admin or (role:member and project_id:%(project_id)s)");
/// `admin`, or role `reader` in the owning project.
pub const READER_OR_ADMIN: Rule = Rule::new("role:admin or (role:reader and project_id:%(project_id)s)");
/// `admin`, or the owner itself.
pub const USER_OR_ADMIN: Rule = Rule::new("role:admin or user_id:%(user_id)s");

/// A service's rules by name.
pub struct Rules {
    list: &'static [(&'static str, Rule)],
    parsed: OnceLock<BTreeMap<&'static str, Parsed>>,
}

pub(crate) struct Parsed {
    pub(crate) rule: Rule,
    pub(crate) expression: Expression,
}

/// A rule said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The rule's name, which operators find in the policy.
    pub rule: String,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {} disallows it", self.rule)
    }
}

impl std::error::Error for Denied {}

impl Rules {
    /// The table, which is parsed when it is first asked.
    pub const fn new(list: &'static [(&'static str, Rule)]) -> Rules {
        Rules { list, parsed: OnceLock::new() }
    }

    /// The rules in the order of the table.
    pub fn list(&self) -> &'static [(&'static str, Rule)] {
        self.list
    }

    /// Asks the rule `name` about a target. A rule that is not listed denies.
    pub fn check(&self, name: &str, caller: &Caller, target: &dyn Attributes) -> Result<(), Denied> {
        let overrides = caller.policy.current();
        let book = Book { rules: self, overrides: overrides.as_deref() };
        if book.allows(name, caller, target) { Ok(()) } else { Err(Denied { rule: name.to_owned() }) }
    }

    /// As [`Rules::check`], as a yes or no.
    pub fn allows(&self, name: &str, caller: &Caller, target: &dyn Attributes) -> bool {
        self.check(name, caller, target).is_ok()
    }

    /// A line that cannot be parsed denies; the tests see to it that there is none.
    pub(crate) fn parsed(&self) -> &BTreeMap<&'static str, Parsed> {
        let parsed =
            |rule: &Rule| Parsed { rule: *rule, expression: parse(rule.check).unwrap_or(Expression::False) };
        self.parsed.get_or_init(|| self.list.iter().map(|(name, rule)| (*name, parsed(rule))).collect())
    }
}

/// The rules that are in force for one service: its own, but for those that an operator states otherwise.
#[derive(Clone, Copy)]
pub(crate) struct Book<'b> {
    pub(crate) rules: &'b Rules,
    pub(crate) overrides: Option<&'b Overrides>,
}

impl<'b> Book<'b> {
    pub(crate) fn expression(&self, name: &str) -> Option<&'b Expression> {
        let stated = self.overrides.and_then(|overrides| overrides.stated(name));
        let own = || self.rules.parsed().get(name).map(|parsed| &parsed.expression);
        let borrowed = || self.overrides.and_then(|overrides| overrides.borrowed(name));
        stated.or_else(own).or_else(borrowed)
    }

    /// The kinds of scope that may ask; none for a name that no service knows.
    pub(crate) fn scopes(&self, name: &str) -> Option<&'static [ScopeKind]> {
        Some(self.rules.parsed().get(name)?.rule.scopes)
    }

    fn allows(&self, name: &str, caller: &Caller, target: &dyn Attributes) -> bool {
        let Some(scopes) = self.scopes(name) else { return false };
        let open = scopes.is_empty() || scopes.contains(&caller.scope_kind());
        let case = Case { caller, target, book: *self };
        open && self.expression(name).is_some_and(|expression| expression.holds(case))
    }
}
