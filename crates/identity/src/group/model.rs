//! A group's data.

use serde::{Deserialize, Serialize};
use types::{DomainId, UserId};

use crate::api::Extra;
use crate::ids::GroupId;

/// A group of users, who have the roles that the group has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// The domain it is in.
    pub domain_id: DomainId,
    /// Its name, unique in the domain.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whatever else the client wanted remembered.
    #[serde(default)]
    pub extra: Extra,
}

/// That a user is in a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// The group.
    pub group_id: GroupId,
    /// The user.
    pub user_id: UserId,
}

/// A group to be.
#[derive(Debug, Clone)]
pub struct GroupDraft {
    /// The domain, if it was named.
    pub domain_id: Option<DomainId>,
    /// The name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What else there was.
    pub extra: Extra,
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct GroupChange {
    /// The domain, which cannot change.
    pub domain_id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<Option<String>>,
    /// What else there was.
    pub extra: Extra,
}
