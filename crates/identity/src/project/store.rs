//! The table of projects.

use store::{Column, Table, Unique};

use super::model::Project;

pub(crate) static PROJECTS: Table<Project> = Table {
    name: "identity_projects",
    id: |p| (&p.id).into(),
    columns: &[
        Column { name: "domain_id", value: |p| (&p.domain_id).into() },
        Column { name: "parent_id", value: |p| p.parent_id.as_ref().into() },
        Column { name: "name", value: |p| p.name.as_str().into() },
        Column { name: "enabled", value: |p| p.enabled.into() },
    ],
    unique: &[Unique { name: "identity_projects_name", columns: &["domain_id", "name"] }],
};
