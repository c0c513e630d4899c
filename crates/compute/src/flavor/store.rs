//! The table of flavors. Ids and names may be longer than an index likes, so both are indexed by what stands for them.

use ::store::{Column, Direction, Error, Select, Stored, Table, Tx, Unique, Value};

use super::Flavor;
use crate::key::short;

/// The table.
pub(super) static FLAVORS: Table<Flavor> = Table {
    name: "compute_flavors",
    id: |f| short(f.id.as_str()).into(),
    columns: &[Column { name: "name_key", value: |f| short(&f.name).into() }],
    unique: &[Unique { name: "compute_flavors_name", columns: &["name_key"] }],
};

/// All flavors by id.
pub(super) fn all(tx: &mut Tx<'_>) -> Result<Vec<Stored<Flavor>>, Error> {
    FLAVORS.query(tx, &Select::all().order("id", Direction::Asc))
}

/// The flavor of this id.
pub(super) fn load(tx: &mut Tx<'_>, id: &str) -> Result<Option<Stored<Flavor>>, Error> {
    FLAVORS.load(tx, Value::from(short(id)))
}

/// The flavor of this name.
pub(super) fn by_name(tx: &mut Tx<'_>, name: &str) -> Result<Option<Stored<Flavor>>, Error> {
    FLAVORS.first(tx, &Select::all().eq("name_key", short(name)))
}
