//! An application credential's data.

use policy::AccessRule;
use serde::{Deserialize, Serialize};
use types::{ProjectId, RoleId, Timestamp, UserId};

use crate::access_rule::model::RuleSpec;
use crate::trust::model::RoleSpec;

/// An application credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationCredential {
    /// Its id.
    pub id: String,
    /// For whom it acts.
    pub user_id: UserId,
    /// Where.
    pub project_id: ProjectId,
    /// Its name, unique to the user.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The secret's hash.
    pub secret: String,
    /// The roles it gives as long as the user has them, those implied included.
    pub roles: Vec<RoleId>,
    /// Until when it is good.
    pub expires_at: Option<Timestamp>,
    /// Whether it may make and delete others; none where nobody said.
    pub unrestricted: Option<bool>,
    /// The only requests it is good for, if not for all.
    pub access_rules: Option<Vec<AccessRule>>,
}

impl ApplicationCredential {
    /// Whether it is past its time.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// An application credential to be.
#[derive(Debug, Clone)]
pub struct ApplicationCredentialDraft {
    /// For whom.
    pub user_id: UserId,
    /// The name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The roles; none for all that the caller has.
    pub roles: Option<Vec<RoleSpec>>,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// Whether it may make others.
    pub unrestricted: Option<bool>,
    /// The requests it is good for.
    pub access_rules: Option<Vec<RuleSpec>>,
}
