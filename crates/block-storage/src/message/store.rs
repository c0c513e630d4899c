//! The table of messages.

use store::{Column, Condition, Error, Select, Table, Tx};
use types::{MessageId, Timestamp};

use super::Message;

/// What the database knows of a message. Nothing is NULL, for lists are sorted by it.
pub(crate) static MESSAGES: Table<Message> = Table {
    name: "block_storage_messages",
    id: |m| m.id.into(),
    columns: &[
        Column { name: "project_id", value: |m| (&m.said.project_id).into() },
        Column { name: "resource_type", value: |m| m.said.subject.name().into() },
        Column { name: "resource_uuid", value: |m| m.said.subject_id.as_deref().unwrap_or_default().into() },
        Column { name: "event_id", value: |m| m.event_id().into() },
        Column { name: "request_id", value: |m| m.said.request_id.as_deref().unwrap_or_default().into() },
        Column { name: "message_level", value: |m| m.said.level.name().into() },
        Column { name: "created_at", value: |m| m.created_at.into() },
        Column { name: "expires_at", value: |m| m.expires_at.into() },
    ],
    unique: &[],
};

/// The messages that were to go before this time.
pub(crate) fn expired(tx: &mut Tx<'_>, before: Timestamp) -> Result<Vec<MessageId>, Error> {
    let select = Select::all().with(Condition::Lt("expires_at", before.into()));
    Ok(MESSAGES.query(tx, &select)?.iter().map(|message| message.id).collect())
}
