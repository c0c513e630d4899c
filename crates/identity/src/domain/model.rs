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
    pub description: Option<String>,
    /// Whether its users can log in and its projects can be used.
    pub enabled: bool,
    /// Its tags, sorted.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether it is kept from being changed or deleted by mistake; none if nobody said.
    #[serde(default)]
    pub immutable: Option<bool>,
    /// Whatever else the client wanted remembered.
    #[serde(default)]
    pub extra: Extra,
}

impl Domain {
    /// One with nothing but a name.
    pub(crate) fn new(id: DomainId, name: &str, description: String) -> Domain {
        Domain {
            id,
            name: name.to_owned(),
            description: Some(description),
            enabled: true,
            tags: Vec::new(),
            immutable: None,
            extra: Extra::new(),
        }
    }
}

/// A domain to be.
#[derive(Debug, Clone)]
pub struct DomainDraft {
    /// The id, if the client chose it.
    pub id: Option<DomainId>,
    /// The name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it is of use.
    pub enabled: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// Whether it is kept from being changed or deleted by mistake.
    pub immutable: Option<bool>,
    /// What else there was.
    pub extra: Extra,
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct DomainChange {
    /// The name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<Option<String>>,
    /// Whether it is of use.
    pub enabled: Option<bool>,
    /// Its tags.
    pub tags: Option<Vec<String>>,
    /// Whether it is kept from being changed or deleted by mistake.
    pub immutable: Option<Option<bool>>,
    /// What else there was.
    pub extra: Extra,
}

impl DomainChange {
    /// Whether it does nothing but let the domain be changed again.
    pub fn only_unlocks(&self) -> bool {
        let DomainChange { name, description, enabled, tags, immutable, extra } = self;
        let rest = name.is_none() && description.is_none() && enabled.is_none() && tags.is_none();
        rest && extra.is_empty() && matches!(immutable, Some(None | Some(false)))
    }
}
