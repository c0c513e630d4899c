//! Domains as clients see them.

use rest::Request;
use serde_json::{Value as Json, json};

use super::model::Domain;
use crate::api::{links, with_extra};

/// A domain.
pub(crate) fn view(request: &Request, domain: &Domain) -> Json {
    with_extra(
        &domain.extra,
        json!({
            "id": domain.id.as_str(),
            "name": domain.name,
            "description": domain.description,
            "enabled": domain.enabled,
            "tags": [],
            "options": {},
            "links": links(request, &format!("domains/{}", domain.id)),
        }),
    )
}
