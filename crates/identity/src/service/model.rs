//! A catalog service's data.

use serde::{Deserialize, Serialize};

use crate::api::Extra;
use crate::ids::ServiceId;

/// A service of the catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CatalogService {
    /// Its id.
    pub id: ServiceId,
    /// What clients look for: `compute`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Whether the catalog shows it.
    pub enabled: bool,
    /// Whatever else the client wanted remembered.
    #[serde(default)]
    pub extra: Extra,
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct ServiceChange {
    /// What clients look for.
    pub kind: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// What it is.
    pub description: Option<Option<String>>,
    /// Whether the catalog shows it.
    pub enabled: Option<bool>,
    /// What else there was.
    pub extra: Extra,
}
