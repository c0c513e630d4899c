//! What is known of types of resources and their associations.

use serde::{Deserialize, Serialize};
use types::Timestamp;

/// A type of resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ResourceType {
    /// Its name, by Heat's convention.
    pub(crate) name: String,
    /// When it was first associated.
    pub(crate) created_at: Timestamp,
}

/// What an association says beside the type's name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AssociationContent {
    /// What is put before the names of properties.
    pub(crate) prefix: Option<String>,
    /// Which of the resource's sets of properties is meant.
    pub(crate) properties_target: Option<String>,
}
