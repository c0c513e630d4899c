//! The table of objects.

use store::{Table, Unique};

use super::ObjectContent;
use crate::metadef::entry::{Entry, Kind, Rules};

static TABLE: Table<Entry<ObjectContent>> = Table {
    name: "image_metadef_objects",
    id: |o| o.id.as_str().into(),
    columns: Entry::<ObjectContent>::COLUMNS,
    unique: &[Unique { name: "image_metadef_objects_name", columns: &["namespace_id", "name"] }],
};

/// Objects as entries.
pub(crate) static OBJECTS: Kind<ObjectContent> = Kind {
    table: &TABLE,
    rules: Rules {
        add: "add_metadef_object",
        list: "get_metadef_objects",
        show: "get_metadef_object",
        modify: "modify_metadef_object",
        delete: "delete_metadef_object",
    },
    absent: |name| format!("Could not find metadata object {name}"),
    duplicate: |name, namespace| {
        format!("A metadata definition object with name={name} already exists in namespace={namespace}.")
    },
    protected: |name| format!("Metadata definition object {name} is protected and cannot be deleted."),
};
