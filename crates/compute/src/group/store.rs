//! The table of server groups.

use ::store::{Column, Table};

use super::ServerGroup;

/// The table.
pub(super) static GROUPS: Table<ServerGroup> = Table {
    name: "compute_server_groups",
    id: |g| g.id.into(),
    columns: &[Column { name: "project_id", value: |g| (&g.project_id).into() }],
    unique: &[],
};
