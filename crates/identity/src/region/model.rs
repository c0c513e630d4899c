//! A region's data.

use serde::{Deserialize, Serialize};

use crate::api::Extra;
use crate::ids::RegionId;

/// A region of the catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// Its id, which is also its name.
    pub id: RegionId,
    /// What it is.
    pub description: String,
    /// The region around it.
    pub parent_id: Option<RegionId>,
    /// Whatever else the client wanted remembered.
    #[serde(default)]
    pub extra: Extra,
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct RegionChange {
    /// What it is.
    pub description: Option<String>,
    /// The region around it.
    pub parent_id: Option<Option<RegionId>>,
    /// What else there was.
    pub extra: Extra,
}
