//! What is said of a property, in the words of a JSON schema.

use serde::{Deserialize, Serialize};

/// What a property may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PropertyShape {
    /// One of [`TYPES`].
    pub(crate) kind: String,
    /// Its name for people.
    pub(crate) title: String,
    /// What it means.
    pub(crate) description: Option<String>,
    /// How it can be compared: `<in>`.
    pub(crate) operators: Option<Vec<String>>,
    /// What it is where nothing is said.
    pub(crate) default: Option<Literal>,
    /// Whether it is only to be looked at.
    pub(crate) readonly: Option<bool>,
    /// The least number.
    pub(crate) minimum: Option<Literal>,
    /// The greatest number.
    pub(crate) maximum: Option<Literal>,
    /// The values it may have.
    pub(crate) choices: Option<Vec<Literal>>,
    /// What its text looks like.
    pub(crate) pattern: Option<String>,
    /// The shortest text.
    pub(crate) length_min: Option<u64>,
    /// The longest text.
    pub(crate) length_max: Option<u64>,
    /// What is in the list.
    pub(crate) items: Option<ItemShape>,
    /// Whether nothing is in the list twice.
    pub(crate) unique_items: Option<bool>,
    /// How many are in the list at least.
    pub(crate) items_min: Option<u64>,
    /// And at most.
    pub(crate) items_max: Option<u64>,
    /// Whether there may be others.
    pub(crate) additional_items: Option<bool>,
}

/// What the items of a list may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ItemShape {
    /// One of [`TYPES`].
    pub(crate) kind: String,
    /// The values they may have.
    pub(crate) choices: Option<Vec<Literal>>,
}

/// A value that a property can have, as it was spelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Literal {
    Flag(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Literal>),
}

/// The types of values.
pub(crate) const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
