//! Why a rule says yes or no, for people.

use std::fmt::Write;

use crate::expression::{Case, Expression};
use crate::rules::Book;
use crate::{Attributes, Caller, Rules, Value};

/// A rule's answer with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Whether it allows it.
    pub allowed: bool,
    /// The line of the operator's file that states the rule; none if it is the service's own.
    pub line: Option<usize>,
    /// Its expression.
    pub expression: String,
    /// Each part of it with what it came to, a line each.
    pub text: String,
}

impl Rules {
    /// Asks the rule `name` and says why. Nothing if there is no such rule.
    pub fn explain(&self, name: &str, caller: &Caller, target: &dyn Attributes) -> Option<Explanation> {
        let overrides = caller.policy.current();
        let book = Book { rules: self, overrides: overrides.as_deref() };
        let scopes = book.scopes(name)?;
        let expression = book.expression(name)?;
        let case = Case { caller, target, book };
        let mut text = String::new();
        let mut open = true;
        if !scopes.is_empty() {
            let names: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
            open = scopes.contains(&caller.scope_kind());
            line(
                &mut text,
                open,
                0,
                &format!("scope {} is one of {}", caller.scope_kind().name(), names.join(", ")),
            );
        }
        parts(&mut text, expression, case, 0);
        let allowed = open && expression.holds(case);
        let line = overrides.as_deref().and_then(|overrides| overrides.line(name));
        Some(Explanation { allowed, line, expression: expression.to_string(), text })
    }
}

fn line(text: &mut String, holds: bool, depth: usize, what: &str) {
    let _ = writeln!(text, "  {:5}  {:indent$}{what}", holds, "", indent = 2 * depth);
}

fn parts(text: &mut String, expression: &Expression, case: Case<'_>, depth: usize) {
    let holds = expression.holds(case);
    match expression {
        Expression::All(inner) | Expression::Any(inner) => {
            let word = if matches!(expression, Expression::All(_)) { "all of" } else { "any of" };
            line(text, holds, depth, word);
            inner.iter().for_each(|part| parts(text, part, case, depth + 1));
        }
        Expression::Not(inner) => {
            line(text, holds, depth, "not");
            parts(text, inner, case, depth + 1);
        }
        Expression::Rule(name) => {
            line(text, holds, depth, &expression.to_string());
            if let Some(rule) = case.book.expression(name) {
                parts(text, rule, case, depth + 1);
            }
        }
        Expression::Equal(side, operand) => {
            let (left, right) = (said(side.value(case)), said(operand.value(case)));
            line(text, holds, depth, &format!("{expression}   ({left}, {right})"));
        }
        Expression::True | Expression::False | Expression::Role(_) => {
            line(text, holds, depth, &expression.to_string());
        }
    }
}

fn said(value: Option<Value<'_>>) -> &str {
    match value {
        None => "absent",
        Some(Value::Null) => "None",
        Some(Value::Text(text)) => text,
    }
}
