//! What an object says beside its name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metadef::property::PropertyShape;

/// What an object says beside its name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ObjectContent {
    /// What it is for.
    pub(crate) description: Option<String>,
    /// The properties that must be set together.
    pub(crate) required: Option<Vec<String>>,
    /// Its properties.
    pub(crate) properties: Option<BTreeMap<String, PropertyShape>>,
}
