//! Takes messages away when their time is over.

use std::time::Duration;

use reconcile::{Next, Reconciler, StepError};
use store::Tx;
use types::MessageId;

use super::store::{MESSAGES, expired};

/// The reconciler's kind.
pub(crate) const KIND: &str = "block_storage::message";
/// How much later than it should a message goes before a sweep takes notice.
const LATE: Duration = Duration::from_secs(3600);

/// The reconciler of messages.
pub(crate) struct Messages;

impl Reconciler for Messages {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Ok(id) = id.parse::<MessageId>() else { return Ok(Next::Done) };
        let Some(message) = MESSAGES.load(tx, id)? else { return Ok(Next::Done) };
        let now = tx.now();
        if now < message.expires_at {
            return Ok(Next::Again(message.expires_at.since(now)));
        }
        MESSAGES.remove(tx, &message)?;
        Ok(Next::Done)
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        let before = tx.now().minus(LATE);
        Ok(expired(tx, before)?.iter().map(ToString::to_string).collect())
    }
}
