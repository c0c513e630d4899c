//! A project's data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::{DomainId, ProjectId};

use crate::api::Extra;
use crate::domain::model::{Domain, DomainChange, DomainDraft};
use crate::ids::fresh;

/// A project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// The domain it is in, or that it is.
    pub domain_id: DomainId,
    /// The project above it; none if it is directly below the domain.
    pub parent_id: Option<ProjectId>,
    /// Its name, unique in the domain.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether tokens can be scoped to it.
    pub enabled: bool,
    /// Whether it stands for a domain; then it is no row of its own, and has the domain's id.
    #[serde(skip)]
    pub is_domain: bool,
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

impl Project {
    /// One right below its domain, with nothing but a name.
    pub(crate) fn new(domain_id: DomainId, name: &str, description: Option<&str>) -> Project {
        Project {
            id: ProjectId(fresh()),
            domain_id,
            parent_id: None,
            name: name.to_owned(),
            description: description.map(str::to_owned),
            enabled: true,
            is_domain: false,
            tags: Vec::new(),
            immutable: None,
            extra: Extra::new(),
        }
    }

    /// The id of the project or domain above it; none for a domain.
    pub fn above(&self) -> Option<&str> {
        match &self.parent_id {
            Some(parent) => Some(parent.as_str()),
            None if self.is_domain => None,
            None => Some(self.domain_id.as_str()),
        }
    }
}

impl From<Domain> for Project {
    fn from(domain: Domain) -> Project {
        Project {
            id: ProjectId::from(domain.id.as_str()),
            domain_id: domain.id,
            parent_id: None,
            name: domain.name,
            description: domain.description,
            enabled: domain.enabled,
            is_domain: true,
            tags: domain.tags,
            immutable: domain.immutable,
            extra: domain.extra,
        }
    }
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
    pub description: Option<String>,
    /// Whether it is of use.
    pub enabled: bool,
    /// Whether it is to be a domain.
    pub is_domain: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// Whether it is kept from being changed or deleted by mistake.
    pub immutable: Option<bool>,
    /// What else there was.
    pub extra: Extra,
}

impl From<ProjectDraft> for DomainDraft {
    fn from(draft: ProjectDraft) -> DomainDraft {
        let ProjectDraft { name, description, enabled, tags, immutable, extra, .. } = draft;
        DomainDraft { id: None, name, description, enabled, tags, immutable, extra }
    }
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct ProjectChange {
    /// The domain, which cannot change.
    pub domain_id: Option<Option<String>>,
    /// The parent, which cannot change.
    pub parent_id: Option<Option<String>>,
    /// Whether it is a domain, which cannot change.
    pub is_domain: Option<bool>,
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

impl ProjectChange {
    /// Whether it does nothing but let the project be changed again.
    pub fn only_unlocks(&self) -> bool {
        let places = self.domain_id.is_none() && self.parent_id.is_none() && self.is_domain.is_none();
        places && DomainChange::from(self.clone()).only_unlocks()
    }
}

impl From<ProjectChange> for DomainChange {
    fn from(change: ProjectChange) -> DomainChange {
        let ProjectChange { name, description, enabled, tags, immutable, extra, .. } = change;
        DomainChange { name, description, enabled, tags, immutable, extra }
    }
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
    /// Those that stand for domains, instead of those that do not.
    pub is_domain: bool,
    /// Conditions on the tags.
    pub tags: TagFilter,
}

/// Ids of projects, and below each the same again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree(pub BTreeMap<String, Tree>);

impl Tree {
    /// The projects of `all` that are below `id`.
    pub fn below(id: &str, all: &[Project]) -> Tree {
        let children = all.iter().filter(|project| project.above() == Some(id));
        Tree(children.map(|child| (child.id.to_string(), Tree::below(child.id.as_str(), all))).collect())
    }

    /// These ids, each below the one before it.
    pub fn line<'i>(ids: impl DoubleEndedIterator<Item = &'i str>) -> Tree {
        ids.rev().fold(Tree::default(), |tree, id| Tree(BTreeMap::from([(id.to_owned(), tree)])))
    }
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
