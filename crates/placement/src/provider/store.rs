//! The tables of providers and inventories, and how much is used.

use std::collections::BTreeMap;

use ::store::{Column, Direction, Error, Select, Stored, Table, Tx, Unique, Value};
use serde::{Deserialize, Serialize};
use types::ResourceProviderId;

use super::{Inventory, Provider};

/// The table of providers.
pub(crate) static PROVIDERS: Table<Provider> = Table {
    name: "placement_providers",
    id: |p| p.id.into(),
    columns: &[Column { name: "name", value: |p| p.name.as_str().into() }],
    unique: &[Unique { name: "placement_providers_name", columns: &["name"] }],
};

/// An inventory's row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct InventoryRow {
    pub(crate) id: String,
    pub(crate) provider_id: ResourceProviderId,
    pub(crate) class: String,
    pub(crate) inventory: Inventory,
}

static INVENTORIES: Table<InventoryRow> = Table {
    name: "placement_inventories",
    id: |i| i.id.as_str().into(),
    columns: &[
        Column { name: "provider_id", value: |i| i.provider_id.into() },
        Column { name: "class", value: |i| i.class.as_str().into() },
    ],
    unique: &[Unique { name: "placement_inventories_class", columns: &["provider_id", "class"] }],
};

/// Amounts by provider and class.
pub(crate) type ByProvider<T> = BTreeMap<ResourceProviderId, BTreeMap<String, T>>;

/// All providers by name.
pub(crate) fn all(tx: &mut Tx<'_>) -> Result<Vec<Stored<Provider>>, Error> {
    PROVIDERS.query(tx, &Select::all().order("name", Direction::Asc))
}

/// The provider of this name.
pub(crate) fn by_name(tx: &mut Tx<'_>, name: &str) -> Result<Option<Stored<Provider>>, Error> {
    PROVIDERS.first(tx, &Select::all().eq("name", name))
}

/// The inventories of one provider, or of all.
pub(crate) fn inventories(
    tx: &mut Tx<'_>,
    of: Option<ResourceProviderId>,
) -> Result<ByProvider<Inventory>, Error> {
    let select = of.map_or_else(Select::all, |id| Select::all().eq("provider_id", id));
    let mut found: ByProvider<Inventory> = BTreeMap::new();
    for row in INVENTORIES.query(tx, &select)? {
        let row = row.into_inner();
        found.entry(row.provider_id).or_default().insert(row.class, row.inventory);
    }
    Ok(found)
}

/// Makes a provider's inventories exactly these.
pub(crate) fn replace_inventories(
    tx: &mut Tx<'_>,
    id: ResourceProviderId,
    wanted: &BTreeMap<String, Inventory>,
) -> Result<(), Error> {
    let mut missing = wanted.clone();
    for mut row in INVENTORIES.query(tx, &Select::all().eq("provider_id", id))? {
        match missing.remove(&row.class) {
            Some(inventory) => {
                row.inventory = inventory;
                INVENTORIES.save(tx, &mut row)?;
            }
            None => INVENTORIES.remove(tx, &row)?,
        }
    }
    for (class, inventory) in missing {
        let row_id = runtime::new_uuid().to_string();
        INVENTORIES.insert(tx, InventoryRow { id: row_id, provider_id: id, class, inventory })?;
    }
    Ok(())
}

/// How much is used, of one provider or of all.
pub(crate) fn usages(tx: &mut Tx<'_>, of: Option<ResourceProviderId>) -> Result<ByProvider<u64>, Error> {
    let (filter, args): (&str, Vec<Value>) = match of {
        Some(id) => (" WHERE provider_id = ?", vec![id.into()]),
        None => ("", Vec::new()),
    };
    let sql = format!(
        "SELECT provider_id, class, SUM(used) FROM placement_allocations{filter} GROUP BY provider_id, class"
    );
    let mut found: ByProvider<u64> = BTreeMap::new();
    for row in tx.rows(&sql, &args)? {
        let broken = || Error::Internal("a sum of placement_allocations cannot be read".to_owned());
        let id = row[0].text().and_then(|text| text.parse().ok()).ok_or_else(broken)?;
        let class = row[1].text().ok_or_else(broken)?.to_owned();
        let used = row[2].int().and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        found.entry(id).or_default().insert(class, used);
    }
    Ok(found)
}
