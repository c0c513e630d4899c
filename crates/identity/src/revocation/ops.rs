//! Revoking tokens, and listing what was revoked.

use policy::{Caller, Target};
use store::{Direction, Select, Tx};
use types::{ProjectId, Timestamp, UserId};

use super::model::{EVENT_LIFE, Revocation, Subject};
use super::store::{REVOCATIONS, clear};
use crate::Error;
use crate::ids::{ConsumerId, TrustId, fresh};
use crate::policy::RULES;
use crate::token::ops::changed;

/// Revokes one token, by its audit id.
pub(crate) fn create_for_token(tx: &mut Tx<'_>, audit_id: &str) -> Result<(), Error> {
    if REVOCATIONS.load(tx, audit_id)?.is_some() {
        return Ok(());
    }
    create(tx, audit_id.to_owned(), Subject::Token, None)
}

/// Revokes all tokens that a user has until now.
pub(crate) fn create_for_user(tx: &mut Tx<'_>, user: &UserId) -> Result<(), Error> {
    create(tx, fresh(), Subject::User, Some(user.to_string()))
}

/// Revokes all tokens for a project.
pub(crate) fn create_for_project(tx: &mut Tx<'_>, project: &ProjectId) -> Result<(), Error> {
    create(tx, fresh(), Subject::Project, Some(project.to_string()))
}

/// Revokes all tokens by a trust.
pub(crate) fn create_for_trust(tx: &mut Tx<'_>, trust: &TrustId) -> Result<(), Error> {
    create(tx, fresh(), Subject::Trust, Some(trust.to_string()))
}

/// Revokes all tokens by what a consumer was granted.
pub(crate) fn create_for_consumer(tx: &mut Tx<'_>, consumer: &ConsumerId) -> Result<(), Error> {
    create(tx, fresh(), Subject::Consumer, Some(consumer.to_string()))
}

fn create(tx: &mut Tx<'_>, id: String, subject: Subject, subject_id: Option<String>) -> Result<(), Error> {
    clear(tx)?;
    let now = tx.now();
    let expires_at = now.plus(EVENT_LIFE);
    REVOCATIONS.insert(tx, Revocation { id, subject, subject_id, issued_before: now, expires_at })?;
    changed(tx);
    Ok(())
}

/// What was revoked since then, the oldest first.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    since: Option<Timestamp>,
) -> Result<Vec<Revocation>, Error> {
    RULES.check("identity:list_revoke_events", caller, &Target::default())?;
    let select = Select::all().order("expires_at", Direction::Asc).order("id", Direction::Asc);
    let all = REVOCATIONS.query(tx, &select)?.into_iter().map(|event| event.into_inner());
    Ok(all.filter(|event| since.is_none_or(|since| event.issued_before >= since)).collect())
}
