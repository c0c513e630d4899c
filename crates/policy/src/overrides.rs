//! The rules that an operator states otherwise, read from a file and exchanged while the cloud runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, RwLock};

use crate::expression::Expression;
use crate::file;
use crate::parse::parse;
use crate::rules::{Book, Rules};

/// The operator's rules that are in force; all copies follow an exchange. Without any, the services' own hold.
#[derive(Clone, Default)]
pub struct Policy(Option<Arc<RwLock<Arc<Overrides>>>>);

impl Policy {
    /// These rules, until others are [stated](Policy::state).
    pub fn new(overrides: Overrides) -> Policy {
        Policy(Some(Arc::new(RwLock::new(Arc::new(overrides)))))
    }

    /// Puts other rules in force, for every caller at once.
    pub fn state(&self, overrides: Overrides) {
        if let Some(Ok(mut current)) = self.0.as_ref().map(|shared| shared.write()) {
            *current = Arc::new(overrides);
        }
    }

    pub(crate) fn current(&self) -> Option<Arc<Overrides>> {
        Some(self.0.as_ref()?.read().ok()?.clone())
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stated = self.current().map_or(0, |overrides| overrides.stated.len());
        write!(f, "Policy({stated} stated)")
    }
}

impl PartialEq for Policy {
    fn eq(&self, other: &Policy) -> bool {
        self.0.as_ref().map(Arc::as_ptr) == other.0.as_ref().map(Arc::as_ptr)
    }
}

impl Eq for Policy {}

/// What is wrong with a line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// What, and what to do.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

struct Stated {
    line: usize,
    expression: Expression,
}

/// The rules of one file, found to be sound.
#[derive(Default)]
pub struct Overrides {
    stated: BTreeMap<String, Stated>,
    /// Rules of a service that rules of another now ask.
    borrowed: BTreeMap<String, Expression>,
}

impl Overrides {
    /// Reads a file in YAML (or JSON) that maps names of rules to expressions. `services` are the tables of all services, for
    /// a name that none of them knows and no rule asks for is a slip.
    pub fn read(text: &str, services: &[&Rules]) -> Result<Overrides, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut overrides = Overrides::default();
        for entry in file::entries(text).map_err(|problem| vec![problem])? {
            let line = entry.line;
            match parse(&entry.value) {
                Err(what) => problems.push(Problem { line, what: format!("{}: {what}", entry.name) }),
                Ok(_) if overrides.stated.contains_key(&entry.name) => {
                    let what = format!("{} is stated a second time: remove one", entry.name);
                    problems.push(Problem { line, what });
                }
                Ok(expression) => {
                    overrides.stated.insert(entry.name, Stated { line, expression });
                }
            }
        }
        problems.extend(overrides.strangers(services));
        if problems.is_empty() {
            overrides.borrow(services);
            problems.extend(overrides.circles(services));
        }
        problems.sort_by_key(|problem| problem.line);
        problems.dedup();
        if problems.is_empty() { Ok(overrides) } else { Err(problems) }
    }

    pub(crate) fn stated(&self, name: &str) -> Option<&Expression> {
        self.stated.get(name).map(|stated| &stated.expression)
    }

    pub(crate) fn borrowed(&self, name: &str) -> Option<&Expression> {
        self.borrowed.get(name)
    }

    pub(crate) fn line(&self, name: &str) -> Option<usize> {
        self.stated.get(name).map(|stated| stated.line)
    }

    /// Names that nobody asks for, and asked names that are not there.
    fn strangers(&self, services: &[&Rules]) -> Vec<Problem> {
        let known = |name: &str| services.iter().any(|rules| rules.parsed().contains_key(name));
        let mut asked = BTreeSet::new();
        let mut problems = Vec::new();
        for (name, stated) in &self.stated {
            stated.expression.each_rule(&mut |other| {
                asked.insert(other);
                if !known(other) && !self.stated.contains_key(other) {
                    let what =
                        format!("{name} asks rule:{other}, which is nowhere: state it or correct the name");
                    problems.push(Problem { line: stated.line, what });
                }
            });
        }
        for (name, stated) in &self.stated {
            if !known(name) && !asked.contains(name.as_str()) {
                let what = format!(
                    "there is no rule {name}, and no rule here asks for it: `cuttle policy list` lists those there are"
                );
                problems.push(Problem { line: stated.line, what });
            }
        }
        problems
    }

    /// Takes over, from whichever service has them, the rules that are asked for and not stated.
    fn borrow(&mut self, services: &[&Rules]) {
        let mut open: Vec<String> = Vec::new();
        self.stated
            .values()
            .for_each(|stated| stated.expression.each_rule(&mut |name| open.push(name.to_owned())));
        while let Some(name) = open.pop() {
            if self.stated.contains_key(&name) || self.borrowed.contains_key(&name) {
                continue;
            }
            let found = services.iter().find_map(|rules| rules.parsed().get(name.as_str()));
            if let Some(found) = found {
                found.expression.each_rule(&mut |name| open.push(name.to_owned()));
                self.borrowed.insert(name, found.expression.clone());
            }
        }
    }

    fn circles(&self, services: &[&Rules]) -> Vec<Problem> {
        let mut problems = Vec::new();
        for rules in services {
            let book = Book { rules, overrides: Some(self) };
            for (name, stated) in &self.stated {
                if let Some(path) = circle(book, name) {
                    let what = format!("{name} asks for itself: {}", path.join(" → "));
                    problems.push(Problem { line: stated.line, what });
                }
            }
        }
        problems
    }
}

/// The way from a rule back to itself, if there is one.
pub(crate) fn circle(book: Book<'_>, start: &str) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut open = vec![vec![start.to_owned()]];
    while let Some(path) = open.pop() {
        let mut next = Vec::new();
        if let Some(expression) = path.last().and_then(|name| book.expression(name)) {
            expression.each_rule(&mut |name| next.push(name.to_owned()));
        }
        for name in next {
            let further: Vec<String> = path.iter().cloned().chain([name.clone()]).collect();
            if name == start {
                return Some(further);
            }
            if seen.insert(name) {
                open.push(further);
            }
        }
    }
    None
}
