//! The table of actions.

use ::store::{Column, Direction, Error, Select, Stored, Table, Tx};
use types::ServerId;

use super::Action;

/// The table.
pub(super) static ACTIONS: Table<Action> = Table {
    name: "compute_actions",
    id: |a| a.id.as_str().into(),
    columns: &[
        Column { name: "server_id", value: |a| a.server_id.into() },
        Column { name: "request_id", value: |a| a.request_id.as_str().into() },
        Column { name: "started_at", value: |a| a.started_at.into() },
    ],
    unique: &[],
};

/// A server's actions, newest first.
pub(super) fn of_server(tx: &mut Tx<'_>, id: ServerId) -> Result<Vec<Stored<Action>>, Error> {
    let select = Select::all().eq("server_id", id);
    ACTIONS.query(tx, &select.order("started_at", Direction::Desc).order("id", Direction::Desc))
}
