//! What the default type of a project is.

use serde::{Deserialize, Serialize};
use types::{ProjectId, VolumeTypeId};

/// The default type of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DefaultType {
    /// The project.
    pub(crate) project_id: ProjectId,
    /// The type of its volumes for which no other was asked.
    pub(crate) volume_type_id: VolumeTypeId,
}
