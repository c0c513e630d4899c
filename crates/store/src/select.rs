//! Conditions, order and pages over the key columns of a table.

use crate::Value;

/// Ascending or descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Asc,
    /// Largest first.
    Desc,
}

/// A condition on key columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Equal; `Null` matches NULL.
    Eq(&'static str, Value),
    /// Not equal; NULL counts as different from every value.
    Ne(&'static str, Value),
    /// Less than.
    Lt(&'static str, Value),
    /// Greater than.
    Gt(&'static str, Value),
    /// One of these; an empty list matches nothing.
    In(&'static str, Vec<Value>),
    /// SQL's LIKE with `%` and `_`, `!` as escape; upper and lower case are different letters, as they are in `Eq`.
    Like(&'static str, String),
    /// At least one of these; an empty list matches nothing.
    Any(Vec<Condition>),
    /// All of these; an empty list matches everything.
    All(Vec<Condition>),
}

/// Which rows of a table, in which order, from where on and how many.
#[derive(Debug, Clone, Default)]
pub struct Select {
    conditions: Vec<Condition>,
    order: Vec<(&'static str, Direction)>,
    limit: Option<u32>,
}

impl Select {
    /// Every row.
    pub fn all() -> Select {
        Select::default()
    }

    /// Rows whose `column` equals `value`.
    #[must_use]
    pub fn eq(self, column: &'static str, value: impl Into<Value>) -> Select {
        self.with(Condition::Eq(column, value.into()))
    }

    /// Rows whose `column` is one of `values`.
    #[must_use]
    pub fn is_in<V: Into<Value>>(self, column: &'static str, values: impl IntoIterator<Item = V>) -> Select {
        self.with(Condition::In(column, values.into_iter().map(Into::into).collect()))
    }

    /// Rows that satisfy this condition too.
    #[must_use]
    pub fn with(mut self, condition: Condition) -> Select {
        self.conditions.push(condition);
        self
    }

    /// Sorts by `column`, after the columns already named.
    #[must_use]
    pub fn order(mut self, column: &'static str, direction: Direction) -> Select {
        self.order.push((column, direction));
        self
    }

    /// At most this many rows.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Select {
        self.limit = Some(limit);
        self
    }

    /// Only what sorts after a row that has these values in the columns named by `order`, in that order.
    /// The last of them should be unique (`id`), or rows may be skipped.
    #[must_use]
    pub fn after(self, values: &[Value]) -> Select {
        let keys: Vec<_> = self.order.iter().copied().zip(values.iter().cloned()).collect();
        let alternatives = (0..keys.len()).map(|n| {
            let equal = keys[..n].iter().map(|((column, _), value)| Condition::Eq(column, value.clone()));
            let ((column, direction), value) = keys[n].clone();
            let beyond = match direction {
                Direction::Asc => Condition::Gt(column, value),
                Direction::Desc => Condition::Lt(column, value),
            };
            Condition::All(equal.chain([beyond]).collect())
        });
        let alternatives = alternatives.collect();
        self.with(Condition::Any(alternatives))
    }

    /// The part of the statement after the table's name, and its arguments.
    pub(crate) fn sql(&self) -> (String, Vec<Value>) {
        let mut sql = String::new();
        let mut args = Vec::new();
        if !self.conditions.is_empty() {
            sql.push_str(" WHERE ");
            write_all(&self.conditions, " AND ", &mut sql, &mut args);
        }
        for (n, (column, direction)) in self.order.iter().enumerate() {
            sql.push_str(if n == 0 { " ORDER BY " } else { ", " });
            sql.push_str(column);
            sql.push_str(match direction {
                Direction::Asc => " ASC",
                Direction::Desc => " DESC",
            });
        }
        if let Some(limit) = self.limit {
            sql.push_str(&format!(" LIMIT {limit}"));
        }
        (sql, args)
    }
}

fn write_all(conditions: &[Condition], between: &str, sql: &mut String, args: &mut Vec<Value>) {
    sql.push('(');
    for (n, condition) in conditions.iter().enumerate() {
        if n > 0 {
            sql.push_str(between);
        }
        write_one(condition, sql, args);
    }
    sql.push(')');
}

fn write_one(condition: &Condition, sql: &mut String, args: &mut Vec<Value>) {
    let mut compare = |column: &str, operator: &str, value: &Value| {
        sql.push_str(&format!("{column} {operator} ?"));
        args.push(value.clone());
    };
    match condition {
        Condition::Eq(column, Value::Null) => sql.push_str(&format!("{column} IS NULL")),
        Condition::Ne(column, Value::Null) => sql.push_str(&format!("{column} IS NOT NULL")),
        Condition::Eq(column, value) => compare(column, "=", value),
        Condition::Ne(column, value) => {
            sql.push_str(&format!("({column} IS NULL OR {column} <> ?)"));
            args.push(value.clone());
        }
        Condition::Lt(column, value) => compare(column, "<", value),
        Condition::Gt(column, value) => compare(column, ">", value),
        Condition::Like(column, pattern) => {
            sql.push_str(&format!("{column} LIKE ? ESCAPE '!'"));
            args.push(pattern.as_str().into());
        }
        Condition::In(_, values) if values.is_empty() => sql.push_str("1 = 0"),
        Condition::In(column, values) => {
            let marks = vec!["?"; values.len()].join(", ");
            sql.push_str(&format!("{column} IN ({marks})"));
            args.extend(values.iter().cloned());
        }
        Condition::Any(conditions) if conditions.is_empty() => sql.push_str("1 = 0"),
        Condition::Any(conditions) => write_all(conditions, " OR ", sql, args),
        Condition::All(conditions) if conditions.is_empty() => sql.push_str("1 = 1"),
        Condition::All(conditions) => write_all(conditions, " AND ", sql, args),
    }
}
