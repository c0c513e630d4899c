//! `/v3/OS-REVOKE/events`.

use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::Timestamp;

use super::model::{Revocation, Subject};
use super::ops;
use crate::Error;
use crate::api::{filter_of, links};

pub(crate) fn routes() -> Routes {
    Routes::new().get("/v3/OS-REVOKE/events", list)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let since = match filter_of(request, "since") {
        None => None,
        Some(text) => Some(
            Timestamp::parse(&text).map_err(|_| Error::Invalid(format!("invalidate date format {text}")))?,
        ),
    };
    let events: Vec<Json> = ops::list(request.caller(), tx, since)?.iter().map(view).collect();
    let mut page = links(request, "OS-REVOKE/events");
    page["next"] = Json::Null;
    page["previous"] = Json::Null;
    Ok(Reply::ok(json!({"events": events, "links": page})))
}

fn view(event: &Revocation) -> Json {
    let key = match event.subject {
        Subject::Token => "audit_id",
        Subject::User => "user_id",
        Subject::Project => "project_id",
        Subject::Trust => "OS-TRUST:trust_id",
        Subject::Consumer => "OS-OAUTH1:consumer_id",
    };
    // Whatever is revoked is revoked at once.
    let at = event.issued_before.iso_micros_z();
    let mut view = json!({"issued_before": at, "revoked_at": at});
    view[key] = json!(event.subject_id());
    view
}
