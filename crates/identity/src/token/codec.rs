//! Claims as the bytes that a Fernet token encrypts: a short JSON list, for tokens travel in a header.

use serde::{Deserialize, Serialize};
use types::{DomainId, ProjectId, Timestamp, UserId};

use super::model::{ClaimedScope, Claims};
use crate::ids::TrustId;

/// The version, user, methods, kind of scope, id of the scope, times in microseconds, audit ids, trust.
#[derive(Serialize, Deserialize)]
struct Packed(u8, String, Vec<String>, char, String, i64, i64, Vec<String>, String);

const VERSION: u8 = 1;

/// The claims as bytes.
pub(crate) fn encode(claims: &Claims) -> Vec<u8> {
    let (kind, id) = match &claims.scope {
        ClaimedScope::Unscoped => ('u', String::new()),
        ClaimedScope::Project(id) => ('p', id.to_string()),
        ClaimedScope::Domain(id) => ('d', id.to_string()),
        ClaimedScope::System => ('s', String::new()),
    };
    let packed = Packed(
        VERSION,
        claims.user_id.to_string(),
        claims.methods.clone(),
        kind,
        id,
        claims.issued_at.0,
        claims.expires_at.0,
        claims.audit_ids.clone(),
        claims.trust_id.as_ref().map(ToString::to_string).unwrap_or_default(),
    );
    serde_json::to_vec(&packed).unwrap_or_default()
}

/// The claims that the bytes spell, if they do.
pub(crate) fn decode(bytes: &[u8]) -> Option<Claims> {
    let Packed(version, user, methods, kind, id, issued, expires, audit_ids, trust) =
        serde_json::from_slice(bytes).ok()?;
    let scope = match kind {
        'u' => ClaimedScope::Unscoped,
        'p' => ClaimedScope::Project(ProjectId(id)),
        'd' => ClaimedScope::Domain(DomainId(id)),
        's' => ClaimedScope::System,
        _ => return None,
    };
    (version == VERSION && !audit_ids.is_empty()).then_some(Claims {
        user_id: UserId(user),
        methods,
        scope,
        issued_at: Timestamp(issued),
        expires_at: Timestamp(expires),
        audit_ids,
        trust_id: Some(trust).filter(|id| !id.is_empty()).map(TrustId),
    })
}
