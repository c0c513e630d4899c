//! The table of QoS specs.

use store::{Column, Error, Select, Stored, Table, Tx, Unique};

use super::QosSpecs;

/// What the database knows of QoS specs.
pub(crate) static QOS_SPECS: Table<QosSpecs> = Table {
    name: "block_storage_qos_specs",
    id: |q| q.id.into(),
    columns: &[
        Column { name: "name", value: |q| q.name.as_str().into() },
        Column { name: "consumer", value: |q| q.consumer.name().into() },
        Column { name: "created_at", value: |q| q.created_at.into() },
    ],
    unique: &[Unique { name: "block_storage_qos_specs_name", columns: &["name"] }],
};

/// The QoS specs of this name.
pub(crate) fn by_name(tx: &mut Tx<'_>, name: &str) -> Result<Option<Stored<QosSpecs>>, Error> {
    QOS_SPECS.first(tx, &Select::all().eq("name", name))
}
