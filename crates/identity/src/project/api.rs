//! Projects as clients see them.

use rest::Request;
use serde_json::{Value as Json, json};

use super::model::Project;
use crate::api::{links, with_extra};

/// A project.
pub(crate) fn view(request: &Request, project: &Project) -> Json {
    let parent = project.parent_id.as_ref().map_or(project.domain_id.as_str(), |id| id.as_str());
    with_extra(
        &project.extra,
        json!({
            "id": project.id.as_str(),
            "name": project.name,
            "domain_id": project.domain_id.as_str(),
            "parent_id": parent,
            "description": project.description,
            "enabled": project.enabled,
            "is_domain": false,
            "tags": project.tags,
            "options": {},
            "links": links(request, &format!("projects/{}", project.id)),
        }),
    )
}
