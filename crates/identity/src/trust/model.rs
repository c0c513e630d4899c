//! A trust's data.

use serde::{Deserialize, Serialize};
use types::{ProjectId, RoleId, Timestamp, UserId};

use crate::ids::TrustId;

/// That one user lets another act with some of the first one's roles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// Its id.
    pub id: TrustId,
    /// Who gives.
    pub trustor_id: UserId,
    /// Who gets.
    pub trustee_id: UserId,
    /// Where; a trust without a project gives no roles.
    pub project_id: Option<ProjectId>,
    /// Which roles.
    pub roles: Vec<RoleId>,
    /// Whether the trustee appears as the trustor.
    pub impersonation: bool,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// How many more tokens may be had by it.
    pub remaining_uses: Option<u32>,
    /// How many times it may still be handed on.
    #[serde(default)]
    pub redelegation_count: u32,
    /// The trust that it was handed on from.
    #[serde(default)]
    pub redelegated_from: Option<TrustId>,
}

/// A trust to be.
#[derive(Debug, Clone)]
pub struct TrustDraft {
    /// Who gives.
    pub trustor_id: UserId,
    /// Who gets.
    pub trustee_id: UserId,
    /// Where.
    pub project_id: Option<ProjectId>,
    /// Which roles.
    pub roles: Vec<RoleSpec>,
    /// Whether the trustee appears as the trustor.
    pub impersonation: bool,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// How many tokens may be had by it.
    pub remaining_uses: Option<u32>,
    /// Whether the trustee may hand it on.
    pub allow_redelegation: bool,
    /// How many times it may be handed on.
    pub redelegation_count: Option<u32>,
}

/// A role as a trust names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleSpec {
    /// By id.
    Id(RoleId),
    /// By name.
    Name(String),
}
