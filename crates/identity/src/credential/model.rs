//! A credential's data.

use serde::{Deserialize, Serialize};
use types::{ProjectId, UserId};

use crate::api::Extra;
use crate::ids::CredentialId;

/// A credential.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    /// Its id: for an EC2 key, the digest of the access key.
    pub id: CredentialId,
    /// Whose it is.
    pub user_id: UserId,
    /// The project it is for.
    pub project_id: Option<ProjectId>,
    /// What it is: `ec2`, `totp`, `cert`.
    pub kind: String,
    /// The secret.
    pub blob: String,
    /// The time step of the last passcode of a `totp` secret that was accepted.
    #[serde(default)]
    pub totp_step: Option<i64>,
    /// Whatever else the client wanted remembered.
    #[serde(default)]
    pub extra: Extra,
}

/// A credential to be.
#[derive(Debug, Clone)]
pub struct CredentialDraft {
    /// Whose it is; none for the caller's.
    pub user_id: Option<UserId>,
    /// The project it is for.
    pub project_id: Option<ProjectId>,
    /// What it is.
    pub kind: String,
    /// The secret.
    pub blob: String,
    /// The access key within the secret, if it is an EC2 key.
    pub access: Option<String>,
    /// What else there was.
    pub extra: Extra,
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct CredentialChange {
    /// Whose it is.
    pub user_id: Option<UserId>,
    /// The project it is for.
    pub project_id: Option<ProjectId>,
    /// What it is.
    pub kind: Option<String>,
    /// The secret.
    pub blob: Option<String>,
    /// What else there was.
    pub extra: Extra,
}
