//! The table of service providers.

use store::{Column, Direction, Error, Select, Stored, Table, Tx};

use super::model::ServiceProvider;

pub(crate) static SERVICE_PROVIDERS: Table<ServiceProvider> = Table {
    name: "identity_service_providers",
    id: |p| (&p.id).into(),
    columns: &[Column { name: "enabled", value: |p| p.enabled.into() }],
    unique: &[],
};

/// All of them, or those that are enabled or not.
pub(crate) fn query(tx: &mut Tx<'_>, enabled: Option<bool>) -> Result<Vec<ServiceProvider>, Error> {
    let mut select = Select::all().order("id", Direction::Asc);
    if let Some(enabled) = enabled {
        select = select.eq("enabled", enabled);
    }
    Ok(SERVICE_PROVIDERS.query(tx, &select)?.into_iter().map(Stored::into_inner).collect())
}
