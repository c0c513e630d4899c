//! What `/v3/users` says and takes of federated users.

use std::collections::BTreeMap;

use rest::{Fields, InvalidBody, Request};
use serde_json::{Value as Json, json};
use store::Tx;
use types::UserId;

use super::model::{Identity, IdentityFilter};
use super::store::of_user;
use crate::Error;
use crate::api::filter_of;

const UNIQUE_ID_MAX: usize = 255;

/// Takes `federated`: who a user is elsewhere. An empty list counts as absent, as in Keystone.
pub(crate) fn identities(fields: &mut Fields) -> Result<Option<Vec<Identity>>, InvalidBody> {
    if !fields.has("federated") {
        return Ok(None);
    }
    let objects = fields.objects("federated")?.ok_or_else(|| fields.error("federated", "is not a list"))?;
    let mut identities = Vec::new();
    for mut object in objects {
        let idp_id = object.required_text("idp_id")?;
        let protocols = object.objects("protocols")?.filter(|protocols| !protocols.is_empty());
        for mut protocol in protocols.ok_or_else(|| object.error("protocols", "should be non-empty"))? {
            let protocol_id = protocol.required_text("protocol_id")?;
            let unique_id = protocol.required_text("unique_id")?;
            if unique_id.chars().count() > UNIQUE_ID_MAX {
                let problem = format!("is longer than {UNIQUE_ID_MAX} characters");
                return Err(protocol.error("unique_id", problem));
            }
            identities.push(Identity { idp_id: idp_id.clone(), protocol_id, unique_id });
        }
    }
    Ok(Some(identities).filter(|identities| !identities.is_empty()))
}

/// The filters `idp_id`, `protocol_id` and `unique_id`.
pub(crate) fn filter(request: &Request) -> IdentityFilter {
    IdentityFilter {
        idp_id: filter_of(request, "idp_id"),
        protocol_id: filter_of(request, "protocol_id"),
        unique_id: filter_of(request, "unique_id"),
    }
}

/// Says in a user's view who the user is elsewhere, if anybody. Lists do not say it.
pub(crate) fn add_identities(tx: &mut Tx<'_>, user: &UserId, view: &mut Json) -> Result<(), Error> {
    let mut providers: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for known in of_user(tx, user)? {
        let protocol = json!({"protocol_id": known.protocol_id.0, "unique_id": known.unique_id});
        providers.entry(known.idp_id.0.clone()).or_default().push(protocol);
    }
    if !providers.is_empty() {
        let objects =
            providers.into_iter().map(|(id, protocols)| json!({"idp_id": id, "protocols": protocols}));
        view["federated"] = objects.collect();
    }
    Ok(())
}
