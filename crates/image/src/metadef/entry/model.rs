//! What an entry is, and what is different from kind to kind.

use serde::{Deserialize, Serialize};
use store::Table;
use types::Timestamp;

/// Something in a namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry<T> {
    /// The row's id, which no client sees.
    pub(crate) id: String,
    /// The namespace's id, which stays when it gets another name.
    pub(crate) namespace_id: String,
    /// Its name.
    pub(crate) name: String,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When it last changed.
    pub(crate) updated_at: Timestamp,
    /// What is its kind's own.
    pub(crate) content: T,
}

/// A kind of entry.
pub(crate) struct Kind<T: 'static> {
    /// Where its rows are.
    pub(crate) table: &'static Table<Entry<T>>,
    /// Who may do what.
    pub(crate) rules: Rules,
    /// That there is none of this name in the namespace, in Glance's words.
    pub(crate) absent: fn(name: &str) -> String,
    /// That there is one already.
    pub(crate) duplicate: fn(name: &str, namespace: &str) -> String,
    /// That it is in a protected namespace and stays.
    pub(crate) protected: fn(name: &str) -> String,
}

/// The names of the rules of a kind.
pub(crate) struct Rules {
    pub(crate) add: &'static str,
    pub(crate) list: &'static str,
    pub(crate) show: &'static str,
    pub(crate) modify: &'static str,
    pub(crate) delete: &'static str,
}
