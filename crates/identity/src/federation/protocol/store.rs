//! The table of protocols.

use store::{Column, Direction, Error, Select, Stored, Table, Tx};

use super::model::Protocol;
use crate::ids::key_of;

/// The id is made of the provider's and the protocol's.
pub(crate) static PROTOCOLS: Table<Protocol> = Table {
    name: "identity_protocols",
    id: |p| protocol_key(&p.idp_id.0, &p.id.0).into(),
    columns: &[
        Column { name: "idp_id", value: |p| (&p.idp_id).into() },
        Column { name: "protocol_id", value: |p| (&p.id).into() },
    ],
    unique: &[],
};

pub(crate) fn protocol_key(idp_id: &str, protocol_id: &str) -> String {
    key_of(&[idp_id, protocol_id])
}

/// The protocols of a provider.
pub(crate) fn of_provider(tx: &mut Tx<'_>, idp_id: &str) -> Result<Vec<Stored<Protocol>>, Error> {
    PROTOCOLS.query(tx, &Select::all().eq("idp_id", idp_id).order("protocol_id", Direction::Asc))
}
