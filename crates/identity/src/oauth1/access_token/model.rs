//! An access token's data.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::{ProjectId, RoleId, Timestamp, UserId};

use crate::ids::{AccessTokenId, ConsumerId};

/// How long a consumer may log in by it, as Keystone's `[oauth1] access_token_duration`.
pub(crate) const LIFE: Duration = Duration::from_secs(86_400);

/// An access token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessToken {
    /// Its id.
    pub id: AccessTokenId,
    /// Who may log in.
    pub consumer_id: ConsumerId,
    /// For whom.
    pub user_id: UserId,
    /// Where.
    pub project_id: ProjectId,
    /// The roles it gives, with those that they imply, as long as the user has them.
    pub roles: Vec<RoleId>,
    /// The secret, encrypted.
    pub sealed: String,
    /// Until when.
    pub expires_at: Timestamp,
}
