//! What a namespace is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::{ProjectId, Timestamp};

use crate::metadef::entry::ops::Draft;
use crate::metadef::object::ObjectContent;
use crate::metadef::property::PropertyShape;
use crate::metadef::resource_type::AssociationContent;

/// A namespace without what is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Namespace {
    /// The row's id, which no client sees and which stays when the name changes.
    pub(crate) id: String,
    /// Its name: `OS::Compute::Libvirt`.
    pub(crate) name: String,
    /// Its name for people.
    pub(crate) display_name: Option<String>,
    /// What it is about.
    pub(crate) description: Option<String>,
    /// Whether everybody sees it.
    pub(crate) public: bool,
    /// Whether it and what is in it cannot be deleted.
    pub(crate) protected: bool,
    /// The project that owns it.
    pub(crate) owner: ProjectId,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When it last changed.
    pub(crate) updated_at: Timestamp,
}

impl Namespace {
    /// As OpenStack spells it.
    pub(crate) fn visibility(&self) -> &'static str {
        if self.public { "public" } else { "private" }
    }
}

/// What is said of a namespace when it is made or replaced.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NamespaceDraft {
    pub(crate) name: String,
    pub(crate) display_name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) public: bool,
    pub(crate) protected: bool,
    pub(crate) owner: Option<ProjectId>,
}

/// What can be put into a namespace while it is made.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Contents {
    pub(crate) objects: Vec<Draft<ObjectContent>>,
    pub(crate) properties: BTreeMap<String, PropertyShape>,
    pub(crate) tags: Vec<String>,
    pub(crate) associations: Vec<Draft<AssociationContent>>,
}
