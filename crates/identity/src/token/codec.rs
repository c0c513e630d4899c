//! Claims and receipts as the bytes that are encrypted: short JSON lists, for they travel in headers.

use serde::{Deserialize, Serialize};
use types::{DomainId, ProjectId, Timestamp, UserId};

use super::model::{ClaimedScope, Claims, Federated};
use crate::ids::{AccessTokenId, TrustId};
use crate::login::model::Receipt;

/// What is in the list: `T2` for a token's claims, so that nothing else that our keys encrypt passes for them.
const TOKEN: &str = "T2";
const RECEIPT: &str = "R1";

/// The mark, user, methods, kind of scope, id of the scope, times in microseconds, audit ids, then what is behind it.
#[derive(Serialize, Deserialize)]
struct PackedToken(String, String, Vec<String>, char, String, i64, i64, Vec<String>, PackedOrigin);

/// Trust, application credential, federated login, access token. Tokens that are older than the last lack it.
#[derive(Serialize, Deserialize)]
struct PackedOrigin(Option<String>, Option<String>, Option<Federated>, #[serde(default)] Option<String>);

/// The mark, user, methods, times in microseconds.
#[derive(Serialize, Deserialize)]
struct PackedReceipt(String, String, Vec<String>, i64, i64);

/// The claims as bytes.
pub(crate) fn encode(claims: &Claims) -> Vec<u8> {
    let (kind, id) = match &claims.scope {
        ClaimedScope::Unscoped => ('u', String::new()),
        ClaimedScope::Project(id) => ('p', id.to_string()),
        ClaimedScope::Domain(id) => ('d', id.to_string()),
        ClaimedScope::System => ('s', String::new()),
    };
    let packed = PackedToken(
        TOKEN.to_owned(),
        claims.user_id.to_string(),
        claims.methods.clone(),
        kind,
        id,
        claims.issued_at.0,
        claims.expires_at.0,
        claims.audit_ids.clone(),
        PackedOrigin(
            claims.trust_id.as_ref().map(ToString::to_string),
            claims.application_credential_id.clone(),
            claims.federated.clone(),
            claims.access_token_id.as_ref().map(ToString::to_string),
        ),
    );
    serde_json::to_vec(&packed).unwrap_or_default()
}

/// The claims that the bytes spell, if they do.
pub(crate) fn decode(bytes: &[u8]) -> Option<Claims> {
    let PackedToken(mark, user, methods, kind, id, issued, expires, audit_ids, origin) =
        serde_json::from_slice(bytes).ok()?;
    let scope = match kind {
        'u' => ClaimedScope::Unscoped,
        'p' => ClaimedScope::Project(ProjectId(id)),
        'd' => ClaimedScope::Domain(DomainId(id)),
        's' => ClaimedScope::System,
        _ => return None,
    };
    let PackedOrigin(trust_id, application_credential_id, federated, access_token_id) = origin;
    (mark == TOKEN && !audit_ids.is_empty()).then_some(Claims {
        user_id: UserId(user),
        methods,
        scope,
        issued_at: Timestamp(issued),
        expires_at: Timestamp(expires),
        audit_ids,
        trust_id: trust_id.map(TrustId),
        application_credential_id,
        access_token_id: access_token_id.map(AccessTokenId),
        federated,
    })
}

/// A receipt as bytes.
pub(crate) fn encode_receipt(receipt: &Receipt) -> Vec<u8> {
    let packed = PackedReceipt(
        RECEIPT.to_owned(),
        receipt.user_id.to_string(),
        receipt.methods.clone(),
        receipt.issued_at.0,
        receipt.expires_at.0,
    );
    serde_json::to_vec(&packed).unwrap_or_default()
}

/// The receipt that the bytes spell, if they do.
pub(crate) fn decode_receipt(bytes: &[u8]) -> Option<Receipt> {
    let PackedReceipt(mark, user, methods, issued, expires) = serde_json::from_slice(bytes).ok()?;
    (mark == RECEIPT).then_some(Receipt {
        user_id: UserId(user),
        methods,
        issued_at: Timestamp(issued),
        expires_at: Timestamp(expires),
    })
}
