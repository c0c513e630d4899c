//! A request token's data.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::{ProjectId, RoleId, Timestamp, UserId};

use crate::ids::{ConsumerId, RequestTokenId};

/// How long a request waits to be granted, as Keystone's `[oauth1] request_token_duration`.
pub(crate) const LIFE: Duration = Duration::from_secs(28_800);

const VERIFIER_LETTERS: usize = 8;
/// Letters and digits that are not easily taken for others.
const LETTERS: &[u8] = b"abcdefghkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// A request token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestToken {
    /// Its id.
    pub id: RequestTokenId,
    /// Who asks.
    pub consumer_id: ConsumerId,
    /// Where.
    pub project_id: ProjectId,
    /// The secret, encrypted.
    pub sealed: String,
    /// Until when it can be granted and exchanged.
    pub expires_at: Timestamp,
    /// What was granted.
    pub grant: Option<Grant>,
}

/// That a user lets a consumer act for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// The user.
    pub user_id: UserId,
    /// With which roles.
    pub roles: Vec<RoleId>,
    /// What the user tells the consumer, which proves that it speaks with that user.
    pub verifier: String,
}

/// A fresh verifier: short, for a person types it.
pub(crate) fn fresh_verifier() -> String {
    let mut verifier = String::new();
    while verifier.len() < VERIFIER_LETTERS {
        let mut byte = [0];
        runtime::fill_random(&mut byte);
        // Values beyond the last letter are drawn again, so that no letter is likelier than another.
        if let Some(letter) = LETTERS.get(usize::from(byte[0] & 63)) {
            verifier.push(char::from(*letter));
        }
    }
    verifier
}

/// Whether a text could be a verifier.
pub(crate) fn is_verifier(text: &str) -> bool {
    text.len() == VERIFIER_LETTERS && text.bytes().all(|byte| LETTERS.contains(&byte))
}
