//! The table of regions.

use store::{Column, Table};

use super::model::Region;

pub(crate) static REGIONS: Table<Region> = Table {
    name: "identity_regions",
    id: |r| (&r.id).into(),
    columns: &[Column { name: "parent_id", value: |r| r.parent_id.as_ref().into() }],
    unique: &[],
};
