//! What a volume type is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use types::{ProjectId, Timestamp, VolumeTypeId};

/// A volume type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeType {
    /// Its id.
    pub id: VolumeTypeId,
    /// Its name, which is unique.
    pub name: String,
    /// Words about it.
    pub description: Option<String>,
    /// Whether every project may use it.
    pub is_public: bool,
    /// The projects that may use it if it is not public.
    pub projects: BTreeSet<ProjectId>,
    /// Words for backends.
    pub extra_specs: BTreeMap<String, String>,
    /// When it was created.
    pub created_at: Timestamp,
}

impl VolumeType {
    /// Whether a project may use it.
    pub fn is_open_to(&self, project: Option<&ProjectId>) -> bool {
        self.is_public || project.is_some_and(|project| self.projects.contains(project))
    }
}

/// A type that is to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeDraft {
    /// See [`VolumeType`].
    pub name: String,
    /// See [`VolumeType`].
    pub description: Option<String>,
    /// See [`VolumeType`].
    pub is_public: bool,
    /// See [`VolumeType`].
    pub extra_specs: BTreeMap<String, String>,
}

/// What changes of a type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TypeChange {
    /// Another name.
    pub name: Option<String>,
    /// Other words, or none.
    pub description: Option<Option<String>>,
    /// Whether every project may use it.
    pub is_public: Option<bool>,
}
