//! The table of tags, of which there is nothing to say beside the name.

use store::{Table, Unique};

use crate::metadef::entry::{Entry, Kind, Rules};

static TABLE: Table<Entry<()>> = Table {
    name: "image_metadef_tags",
    id: |t| t.id.as_str().into(),
    columns: Entry::<()>::COLUMNS,
    unique: &[Unique { name: "image_metadef_tags_name", columns: &["namespace_id", "name"] }],
};

/// Tags as entries.
pub(crate) static TAGS: Kind<()> = Kind {
    table: &TABLE,
    rules: Rules {
        add: "add_metadef_tag",
        list: "get_metadef_tags",
        show: "get_metadef_tag",
        modify: "modify_metadef_tag",
        delete: "delete_metadef_tag",
    },
    absent: |name| format!("Could not find metadata tag {name}"),
    duplicate: |name, namespace| {
        format!(
            "A metadata tag with name={name} already exists in namespace={namespace}. (Please note that metadata \
             tag names are case insensitive)."
        )
    },
    protected: |name| format!("Metadata definition tag {name} is protected and cannot be deleted."),
};
