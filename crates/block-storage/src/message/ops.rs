//! Leaving messages, and what callers do with them.

use policy::{Caller, Target};
use store::{Condition, Select, Stored, Tx};
use types::{MessageId, ProjectId};

use super::model::TIME_TO_LIVE;
use super::reconcile::KIND;
use super::store::MESSAGES;
use super::{Action, Detail, Level, Message, NewMessage, Subject};
use crate::backup::Backup;
use crate::error::Error;
use crate::list::Paging;
use crate::policy::{RULES, own};
use crate::snapshot::Snapshot;
use crate::volume::Volume;

/// Leaves a message, in the transaction that knows what happened.
pub fn create(tx: &mut Tx<'_>, said: NewMessage) -> Result<Stored<Message>, Error> {
    let now = tx.now();
    let id: MessageId = runtime::new_uuid().into();
    let message = Message { id, said, created_at: now, expires_at: now.plus(TIME_TO_LIVE) };
    let message = MESSAGES.insert(tx, message)?;
    tx.kick(KIND, id)?;
    Ok(message)
}

/// What a failure is about.
pub(crate) struct About<'a> {
    /// Whose it is.
    pub(crate) project_id: &'a ProjectId,
    /// What kind of thing.
    pub(crate) subject: Subject,
    /// Its id.
    pub(crate) id: String,
    /// The request that went wrong, if it is known.
    pub(crate) request_id: &'a Option<String>,
}

macro_rules! about {
    ($($thing:ty => $subject:ident;)*) => {$(
        impl<'a> From<&'a $thing> for About<'a> {
            fn from(thing: &'a $thing) -> About<'a> {
                let (project_id, request_id) = (&thing.project_id, &thing.request_id);
                About { project_id, subject: Subject::$subject, id: thing.id.to_string(), request_id }
            }
        }
    )*};
}

about! {
    Volume => Volume;
    Snapshot => VolumeSnapshot;
    Backup => VolumeBackup;
}

/// Leaves word that something failed.
pub(crate) fn leave_failure<'a>(
    tx: &mut Tx<'_>,
    (action, detail): (Action, Detail),
    about: impl Into<About<'a>>,
) -> Result<(), store::Error> {
    let about = about.into();
    let said = NewMessage {
        project_id: about.project_id.clone(),
        request_id: about.request_id.clone(),
        action,
        detail,
        subject: about.subject,
        subject_id: Some(about.id),
        level: Level::Error,
    };
    create(tx, said).map(|_| ()).map_err(Error::into_store)
}

/// A message that the caller may read and do this to.
fn find_for(caller: &Caller, tx: &mut Tx<'_>, id: &str, rule: &str) -> Result<Stored<Message>, Error> {
    let absent = || Error::NotFound { what: "Message", id: id.to_owned() };
    let parsed: MessageId = id.parse().map_err(|_| absent())?;
    let found = MESSAGES.load(tx, parsed)?.ok_or_else(absent)?;
    if !caller.is_admin() && caller.project_id() != Some(&found.said.project_id) {
        return Err(absent());
    }
    RULES.check(rule, caller, &Target::project(&found.said.project_id))?;
    Ok(found)
}

/// A message.
pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Stored<Message>, Error> {
    find_for(caller, tx, id, "message:get")
}

/// The messages that the caller may read and that satisfy the conditions.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    conditions: Vec<Condition>,
    paging: &Paging,
) -> Result<Vec<Message>, Error> {
    RULES.check("message:get_all", caller, &own(caller))?;
    let mut select = conditions.into_iter().fold(Select::all(), Select::with);
    if !caller.is_admin() {
        let project = caller.project_id().ok_or_else(|| Error::Denied("message:get_all".to_owned()))?;
        select = select.eq("project_id", project);
    }
    let marker = match &paging.marker {
        None => None,
        Some(id) => Some(find_for(caller, tx, id, "message:get")?),
    };
    Ok(paging.page(tx, &MESSAGES, select, marker.as_deref())?.rows)
}

/// Takes a message away.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let found = find_for(caller, tx, id, "message:delete")?;
    Ok(MESSAGES.remove(tx, &found)?)
}
