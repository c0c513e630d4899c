//! The table of what was chosen for projects.

use store::{Column, Error, Select, Stored, Table, Tx};

use super::model::{Choice, Chosen};

pub(crate) static CHOICES: Table<Choice> = Table {
    name: "identity_endpoint_choices",
    id: |c| c.key().into(),
    columns: &[
        Column { name: "project_id", value: |c| (&c.project_id).into() },
        Column { name: "kind", value: |c| c.chosen.kind().into() },
        Column { name: "chosen_id", value: |c| c.chosen.id().into() },
    ],
    unique: &[],
};

/// The choices of this endpoint or group, for whichever project.
pub(crate) fn query_of(tx: &mut Tx<'_>, chosen: &Chosen) -> Result<Vec<Stored<Choice>>, Error> {
    CHOICES.query(tx, &Select::all().eq("chosen_id", chosen.id()).eq("kind", chosen.kind()))
}
