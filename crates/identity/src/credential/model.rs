//! A credential's data.

use serde::{Deserialize, Serialize};
use types::{ProjectId, UserId};

use crate::api::Extra;
use crate::ids::CredentialId;

/// The type of a key for requests in Amazon's manner.
pub(crate) const EC2: &str = "ec2";

/// A credential as it is kept.
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
    /// The secret, encrypted.
    #[serde(rename = "blob")]
    pub sealed: String,
    /// The time step of the last passcode of a `totp` secret that was accepted.
    #[serde(default)]
    pub totp_step: Option<i64>,
    /// Whatever else the client wanted remembered.
    #[serde(default)]
    pub extra: Extra,
}

/// A credential with its secret, for who may have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// The credential.
    pub credential: Credential,
    /// Its secret.
    pub blob: String,
}

/// A credential to be.
#[derive(Debug, Clone)]
pub struct CredentialDraft {
    /// Whose it is.
    pub user_id: UserId,
    /// The project it is for.
    pub project_id: Option<ProjectId>,
    /// What it is.
    pub kind: String,
    /// The secret.
    pub blob: String,
    /// What else there was.
    pub extra: Extra,
}

impl CredentialDraft {
    /// Whether it is a key for requests in Amazon's manner; Keystone reads the type without regard to case here.
    pub fn is_ec2(&self) -> bool {
        self.kind.eq_ignore_ascii_case(EC2)
    }
}
