//! An access rule's data.

use policy::AccessRule;
use serde::{Deserialize, Serialize};
use types::UserId;

/// A rule of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedRule {
    /// Whose it is.
    pub user_id: UserId,
    /// Which requests it lets pass.
    pub rule: AccessRule,
}

/// A rule as a new application credential names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleSpec {
    /// One that the user has.
    Id(String),
    /// This one, made if the user does not have it.
    New {
        /// The type of the service.
        service: String,
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
}
