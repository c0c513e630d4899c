//! A policy document's data.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::api::Extra;
use crate::ids::PolicyId;

/// A policy document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyDocument {
    /// Its id.
    pub id: PolicyId,
    /// The MIME type of the text.
    pub kind: String,
    /// The text; an object in rows of before texts only were taken.
    pub blob: Json,
    /// Whatever else the client wanted remembered.
    #[serde(default)]
    pub extra: Extra,
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct PolicyChange {
    /// The MIME type of the text.
    pub kind: Option<String>,
    /// The text.
    pub blob: Option<Json>,
    /// What else there was.
    pub extra: Extra,
}
