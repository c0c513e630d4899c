//! A project's data.

use serde::{Deserialize, Serialize};
use types::{DomainId, ProjectId};

use crate::api::Extra;

/// A project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// The domain it is in.
    pub domain_id: DomainId,
    /// The project above it; none if it is directly below the domain.
    pub parent_id: Option<ProjectId>,
    /// Its name, unique in the domain.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether tokens can be scoped to it.
    pub enabled: bool,
    /// Its tags, sorted.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whatever else the client wanted remembered.
    #[serde(default)]
    pub extra: Extra,
}

/// A project to be.
#[derive(Debug, Clone)]
pub struct ProjectDraft {
    /// The domain, if it was named.
    pub domain_id: Option<DomainId>,
    /// The project, or the domain, above it.
    pub parent_id: Option<String>,
    /// The name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether it is of use.
    pub enabled: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// What else there was.
    pub extra: Extra,
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct ProjectChange {
    /// The domain, which cannot change.
    pub domain_id: Option<String>,
    /// The parent, which cannot change.
    pub parent_id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it is of use.
    pub enabled: Option<bool>,
    /// Its tags.
    pub tags: Option<Vec<String>>,
    /// What else there was.
    pub extra: Extra,
}

/// Which projects a list shows.
#[derive(Debug, Clone, Default)]
pub struct ProjectFilter {
    /// In this domain.
    pub domain_id: Option<DomainId>,
    /// Below this project or domain.
    pub parent_id: Option<String>,
    /// Of this name.
    pub name: Option<String>,
    /// Enabled or not.
    pub enabled: Option<bool>,
    /// Conditions on the tags.
    pub tags: TagFilter,
}

/// Conditions on a project's tags; an absent one holds.
#[derive(Debug, Clone, Default)]
pub struct TagFilter {
    /// Has all of these.
    pub all: Option<Vec<String>>,
    /// Has one of these.
    pub any: Option<Vec<String>>,
    /// Does not have all of these.
    pub not_all: Option<Vec<String>>,
    /// Has none of these.
    pub not_any: Option<Vec<String>>,
}

impl TagFilter {
    /// Whether these tags satisfy the filter.
    pub fn allows(&self, tags: &[String]) -> bool {
        let all = |wanted: &Vec<String>| wanted.iter().all(|tag| tags.contains(tag));
        let any = |wanted: &Vec<String>| wanted.iter().any(|tag| tags.contains(tag));
        self.all.as_ref().is_none_or(all)
            && self.any.as_ref().is_none_or(any)
            && !self.not_all.as_ref().is_some_and(all)
            && !self.not_any.as_ref().is_some_and(any)
    }
}
