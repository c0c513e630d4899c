//! The table of what policy documents are for.

use store::{Column, Error, Select, Table, Tx, Value};

use super::model::Association;

pub(crate) static ASSOCIATIONS: Table<Association> = Table {
    name: "identity_policy_associations",
    id: |a| a.subject.key().into(),
    columns: &[
        Column { name: "policy_id", value: |a| (&a.policy_id).into() },
        Column { name: "endpoint_id", value: |a| a.subject.endpoint_id().into() },
        Column { name: "service_id", value: |a| a.subject.service_id().into() },
        Column { name: "region_id", value: |a| a.subject.region_id().into() },
    ],
    unique: &[],
};

/// Forgets what is about something that goes.
pub(crate) fn forget(tx: &mut Tx<'_>, column: &'static str, id: impl Into<Value>) -> Result<(), Error> {
    for association in ASSOCIATIONS.query(tx, &Select::all().eq(column, id))? {
        ASSOCIATIONS.remove(tx, &association)?;
    }
    Ok(())
}
