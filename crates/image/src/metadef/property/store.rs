//! The table of properties.

use store::{Table, Unique};

use super::PropertyShape;
use crate::metadef::entry::{Entry, Kind, Rules};

static TABLE: Table<Entry<PropertyShape>> = Table {
    name: "image_metadef_properties",
    id: |p| p.id.as_str().into(),
    columns: Entry::<PropertyShape>::COLUMNS,
    unique: &[Unique { name: "image_metadef_properties_name", columns: &["namespace_id", "name"] }],
};

/// Properties as entries.
pub(crate) static PROPERTIES: Kind<PropertyShape> = Kind {
    table: &TABLE,
    rules: Rules {
        add: "add_metadef_property",
        list: "get_metadef_properties",
        show: "get_metadef_property",
        modify: "modify_metadef_property",
        delete: "remove_metadef_property",
    },
    absent: |name| format!("Could not find property {name}"),
    duplicate: |name, namespace| {
        format!("A metadata definition property with name={name} already exists in namespace={namespace}.")
    },
    protected: |name| format!("Metadata definition property {name} is protected and cannot be deleted."),
};
