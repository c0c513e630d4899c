//! The table of tasks.

use store::{Column, Condition, Direction, Error, Select, Stored, Table, Tx, Value};
use types::ImageId;

use super::{Task, TaskStatus};

/// What the database knows of a task.
pub(crate) static TASKS: Table<Task> = Table {
    name: "image_tasks",
    id: |t| t.id.0.as_str().into(),
    columns: &[
        Column { name: "image_id", value: |t| t.image_id.into() },
        Column { name: "owner", value: |t| (&t.owner).into() },
        Column { name: "status", value: |t| t.status.as_str().into() },
        Column { name: "kind", value: |t| t.kind.as_str().into() },
        Column { name: "created_at", value: |t| t.created_at.into() },
        Column { name: "updated_at", value: |t| t.updated_at.into() },
    ],
    unique: &[],
};

/// What tasks can be sorted by.
pub(crate) const SORTABLE: [(&str, &str); 6] = [
    ("created_at", "created_at"),
    ("updated_at", "updated_at"),
    ("status", "status"),
    ("type", "kind"),
    ("owner", "owner"),
    ("id", "id"),
];

/// The tasks of an image, the oldest first.
pub(crate) fn of_image(tx: &mut Tx<'_>, image: ImageId) -> Result<Vec<Stored<Task>>, Error> {
    let select = Select::all().eq("image_id", image);
    TASKS.query(tx, &select.order("created_at", Direction::Asc).order("id", Direction::Asc))
}

/// The tasks that have not ended.
pub(crate) fn open(tx: &mut Tx<'_>) -> Result<Vec<Stored<Task>>, Error> {
    let open = [TaskStatus::Pending, TaskStatus::Processing].map(TaskStatus::as_str);
    TASKS.query(tx, &Select::all().is_in("status", open))
}

/// A page of the tasks that meet these conditions.
pub(crate) fn page(
    tx: &mut Tx<'_>,
    conditions: Vec<Condition>,
    (sort, direction, limit): (&'static str, Direction, u32),
    after: Option<&Task>,
) -> Result<Vec<Stored<Task>>, Error> {
    let mut select = conditions.into_iter().fold(Select::all(), Select::with);
    select = select.order(sort, direction).order("id", direction).limit(limit);
    if let Some(task) = after {
        let found = TASKS.columns.iter().find(|column| column.name == sort);
        let id: Value = task.id.0.as_str().into();
        let value = found.map_or_else(|| id.clone(), |column| (column.value)(task));
        select = select.after(&[value, id]);
    }
    TASKS.query(tx, &select)
}
