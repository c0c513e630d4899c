//! A domain's data.

use serde::{Deserialize, Serialize};
use types::DomainId;

use crate::api::Extra;

/// A domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    /// Its id.
    pub id: DomainId,
    /// Its name, unique in the cloud.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether its users can log in and its projects can be used.
    pub enabled: bool,
    /// Whatever else the client wanted remembered.
    #[serde(default)]
    pub extra: Extra,
}

/// A domain to be.
#[derive(Debug, Clone)]
pub struct DomainDraft {
    /// The id, if the client chose it.
    pub id: Option<DomainId>,
    /// The name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether it is of use.
    pub enabled: bool,
    /// What else there was.
    pub extra: Extra,
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct DomainChange {
    /// The name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it is of use.
    pub enabled: Option<bool>,
    /// What else there was.
    pub extra: Extra,
}
