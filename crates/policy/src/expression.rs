//! An expression of oslo.policy's language: its parts, what they mean, how they are written.

use std::fmt;

use crate::caller::{CALLER_ATTRIBUTES, CallerAttribute};
use crate::rules::Book;
use crate::{Attributes, Caller, Value};

/// A condition on the caller and the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    /// `@`, or nothing at all.
    True,
    /// `!`
    False,
    /// `role:reader`; case does not matter.
    Role(Operand),
    /// `rule:owner`, another rule by its name.
    Rule(String),
    /// `user_id:%(target.user.id)s`, `None:%(target.role.domain_id)s`.
    Equal(Side, Operand),
    Not(Box<Expression>),
    All(Vec<Expression>),
    Any(Vec<Expression>),
}

/// The left side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Side {
    Caller(CallerAttribute),
    /// `'member'`
    Text(String),
    /// `None`
    Null,
    /// `True`, `1`: compared as it is printed.
    Bare(String),
}

/// The right side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operand {
    Text(String),
    /// `None`
    Null,
    /// `%(target.user.id)s`
    Attribute(String),
}

/// What an expression is judged by.
#[derive(Clone, Copy)]
pub(crate) struct Case<'c> {
    pub(crate) caller: &'c Caller,
    pub(crate) target: &'c dyn Attributes,
    pub(crate) book: Book<'c>,
}

impl Expression {
    /// Whether it is so. A rule or an attribute that is not there makes what asks for it false, as upstream.
    pub(crate) fn holds(&self, case: Case<'_>) -> bool {
        match self {
            Expression::True => true,
            Expression::False => false,
            Expression::Role(role) => match role.value(case) {
                Some(Value::Text(role)) => case.caller.roles.iter().any(|r| r.eq_ignore_ascii_case(role)),
                Some(Value::Null) | None => false,
            },
            Expression::Rule(name) => case.book.expression(name).is_some_and(|rule| rule.holds(case)),
            Expression::Equal(side, operand) => match (side.value(case), operand.value(case)) {
                (Some(left), Some(right)) => left == right,
                _ => false,
            },
            Expression::Not(inner) => !inner.holds(case),
            Expression::All(parts) => parts.iter().all(|part| part.holds(case)),
            Expression::Any(parts) => parts.iter().any(|part| part.holds(case)),
        }
    }

    /// Calls `each` with the name of every rule that this one asks.
    pub(crate) fn each_rule<'e>(&'e self, each: &mut dyn FnMut(&'e str)) {
        match self {
            Expression::Rule(name) => each(name),
            Expression::Not(inner) => inner.each_rule(each),
            Expression::All(parts) | Expression::Any(parts) => {
                parts.iter().for_each(|part| part.each_rule(each));
            }
            Expression::True | Expression::False | Expression::Role(_) | Expression::Equal(..) => {}
        }
    }
}

impl Side {
    pub(crate) fn value<'c>(&'c self, case: Case<'c>) -> Option<Value<'c>> {
        match self {
            Side::Caller(attribute) => case.caller.attribute(*attribute),
            Side::Text(text) | Side::Bare(text) => Some(Value::Text(text)),
            Side::Null => Some(Value::Null),
        }
    }
}

impl Operand {
    pub(crate) fn value<'c>(&'c self, case: Case<'c>) -> Option<Value<'c>> {
        match self {
            Operand::Text(text) => Some(Value::Text(text)),
            Operand::Null => Some(Value::Null),
            Operand::Attribute(name) => case.target.attribute(name),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::True => write!(f, "@"),
            Expression::False => write!(f, "!"),
            Expression::Role(role) => write!(f, "role:{role}"),
            Expression::Rule(name) => write!(f, "rule:{name}"),
            Expression::Equal(side, operand) => write!(f, "{side}:{operand}"),
            Expression::Not(inner) => write!(f, "not {}", Part(inner)),
            Expression::All(parts) => joined(f, parts, " and "),
            Expression::Any(parts) => joined(f, parts, " or "),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Expression], word: &str) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        write!(f, "{}{}", if at == 0 { "" } else { word }, Part(part))?;
    }
    Ok(())
}

/// An expression within another: in parentheses if it has parts itself.
struct Part<'e>(&'e Expression);

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expression::All(_) | Expression::Any(_) => write!(f, "({})", self.0),
            other => write!(f, "{other}"),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Side::Caller(attribute) => {
                let known = CALLER_ATTRIBUTES.iter().find(|(_, known)| known == attribute);
                f.write_str(known.map_or("", |(name, _)| name))
            }
            Side::Text(text) => write!(f, "'{text}'"),
            Side::Bare(text) => f.write_str(text),
            Side::Null => f.write_str("None"),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Text(text) => f.write_str(text),
            Operand::Null => f.write_str("None"),
            Operand::Attribute(name) => write!(f, "%({name})s"),
        }
    }
}
