//! The tables of types of resources and of their associations.

use store::{Error, Select, Table, Tx, Unique};

use super::{AssociationContent, ResourceType};
use crate::metadef::entry::{Entry, Kind, Rules};

/// Every type that was ever associated.
pub(crate) static RESOURCE_TYPES: Table<ResourceType> =
    Table { name: "image_metadef_resource_types", id: |t| t.name.as_str().into(), columns: &[], unique: &[] };

static TABLE: Table<Entry<AssociationContent>> = Table {
    name: "image_metadef_associations",
    id: |a| a.id.as_str().into(),
    columns: Entry::<AssociationContent>::COLUMNS,
    unique: &[Unique { name: "image_metadef_associations_name", columns: &["namespace_id", "name"] }],
};

/// Associations as entries, named like their types.
pub(crate) static ASSOCIATIONS: Kind<AssociationContent> = Kind {
    table: &TABLE,
    rules: Rules {
        add: "add_metadef_resource_type_association",
        list: "list_metadef_resource_types",
        show: "get_metadef_resource_type",
        modify: "add_metadef_resource_type_association",
        delete: "remove_metadef_resource_type_association",
    },
    absent: |name| format!("Failed to find resource type {name} to delete"),
    duplicate: |name, namespace| {
        format!(
            "The metadata definition resource-type association of resource-type={name} to namespace={namespace} \
             already exists."
        )
    },
    protected: |name| {
        format!("Metadata definition resource-type-association {name} is protected and cannot be deleted.")
    },
};

/// The ids of the namespaces that are associated with one of these types.
pub(crate) fn namespaces_of(tx: &mut Tx<'_>, types: &[&str]) -> Result<Vec<String>, Error> {
    let found = TABLE.query(tx, &Select::all().is_in("name", types.iter().copied()))?;
    Ok(found.iter().map(|association| association.namespace_id.clone()).collect())
}
