//! What can be done with projects.

use store::Tx;
use types::ProjectId;

use super::model::Project;
use super::store::PROJECTS;

/// The project of this id, for another service that was named one. It asks for no right: whoever calls has checked.
pub fn known(tx: &mut Tx<'_>, id: &ProjectId) -> Result<Option<Project>, store::Error> {
    Ok(PROJECTS.load(tx, id)?.map(|project| project.into_inner()))
}
