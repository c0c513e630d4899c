//! What callers see of tasks.

use policy::{Caller, Target};
use store::{Condition, Direction, Stored, Tx};
use types::ImageId;

use super::Task;
use super::store::{self as table, TASKS};
use crate::error::Error;
use crate::image::ops::seen;
use crate::policy::RULES;

/// Which tasks a list shows.
#[derive(Debug, Clone)]
pub(crate) struct TaskList {
    pub(crate) conditions: Vec<Condition>,
    pub(crate) sort: &'static str,
    pub(crate) direction: Direction,
    pub(crate) marker: Option<String>,
    pub(crate) limit: u32,
}

/// Asks whether the caller may see tasks at all.
pub(crate) fn check_access(caller: &Caller) -> Result<(), Error> {
    Ok(RULES.check("tasks_api_access", caller, &Target::default())?)
}

/// One task, of any project for an administrator.
pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Stored<Task>, Error> {
    check_access(caller)?;
    RULES.check("get_task", caller, &Target::default())?;
    find(caller, tx, id)
}

fn find(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Stored<Task>, Error> {
    let visible = |task: &Stored<Task>| caller.is_admin() || caller.project_id() == Some(&task.owner);
    let found = TASKS.load(tx, id)?.filter(visible);
    found.ok_or_else(|| Error::NoSuch(format!("Could not find task {id}")))
}

/// The tasks that the caller sees.
pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>, list: TaskList) -> Result<Vec<Stored<Task>>, Error> {
    check_access(caller)?;
    RULES.check("get_tasks", caller, &Target::default())?;
    let mut conditions = list.conditions;
    if !caller.is_admin() {
        let own = caller.project_id().map_or("", |project| project.as_str());
        conditions.push(Condition::Eq("owner", own.into()));
    }
    let after = match &list.marker {
        Some(marker) => {
            let unknown = |_| Error::Invalid(format!("No task found with ID {marker}"));
            Some(find(caller, tx, marker).map_err(unknown)?)
        }
        None => None,
    };
    Ok(table::page(tx, conditions, (list.sort, list.direction, list.limit), after.as_deref())?)
}

/// The tasks of an image that the caller sees.
pub(crate) fn of_image(caller: &Caller, tx: &mut Tx<'_>, id: ImageId) -> Result<Vec<Stored<Task>>, Error> {
    let hidden = |_| Error::NoSuch("The resource could not be found.".to_owned());
    seen(caller, tx, id).map_err(hidden)?;
    Ok(table::of_image(tx, id)?)
}

/// Nobody deletes a task.
pub(crate) fn delete(caller: &Caller) -> Result<(), Error> {
    check_access(caller)?;
    Err(Error::Method(
        "This operation is currently not permitted on Glance Tasks. They are auto deleted after reaching the time \
         based on their expires_at property."
            .to_owned(),
    ))
}
