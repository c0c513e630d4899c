//! The table of auto-allocated topologies, one for each project at most.

use store::Table;

use super::AutoTopology;

pub(super) static TOPOLOGIES: Table<AutoTopology> = Table {
    name: "network_auto_topologies",
    id: |t| t.project_id.as_str().into(),
    columns: &[],
    unique: &[],
};
