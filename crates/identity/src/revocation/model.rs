//! A revocation's data.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::Timestamp;

/// How long an event matters: no token, the longest that can be configured and the time in which an expired one may
/// still be looked at included, outlives it.
pub(crate) const EVENT_LIFE: Duration = Duration::from_secs(10 * 86_400);

/// What the revoked tokens have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Subject {
    /// The one token of this audit id.
    #[default]
    Token,
    /// A user's tokens.
    User,
    /// Tokens for a project.
    Project,
    /// Tokens by a trust.
    Trust,
    /// Tokens by what a consumer was granted.
    Consumer,
}

/// That tokens were revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// The event's id: for one token its audit id.
    #[serde(alias = "audit_id")]
    pub id: String,
    /// What the tokens have in common.
    #[serde(default)]
    pub subject: Subject,
    /// The id of the user, project, trust or consumer.
    #[serde(default)]
    pub subject_id: Option<String>,
    /// Tokens that are not older than this are good.
    #[serde(default)]
    pub issued_before: Timestamp,
    /// When the event is of no more use.
    pub expires_at: Timestamp,
}

impl Revocation {
    /// The id by which a token finds it.
    pub fn subject_id(&self) -> &str {
        self.subject_id.as_deref().unwrap_or(&self.id)
    }

    /// Whether it concerns a token of its subject that was issued then.
    pub fn covers(&self, issued_at: Timestamp) -> bool {
        self.subject == Subject::Token || issued_at < self.issued_before
    }
}
