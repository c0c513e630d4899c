//! A role's data, and which roles follow from which.

use std::collections::BTreeSet;

use policy::Value;
use serde::{Deserialize, Serialize};
use types::{DomainId, RoleId};

use crate::api::Extra;

/// A role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// The domain whose own it is; none for a role of the whole cloud.
    pub domain_id: Option<DomainId>,
    /// Its name, unique in the domain or among the roles of the cloud.
    pub name: String,
    /// What it allows.
    pub description: Option<String>,
    /// Whether it is kept from being changed or deleted by mistake; none if nobody said.
    #[serde(default)]
    pub immutable: Option<bool>,
    /// Whatever else the client wanted remembered.
    #[serde(default)]
    pub extra: Extra,
}

impl Role {
    /// What rules may ask of it.
    pub(crate) fn attributes(&self) -> [(&'static str, Value<'_>); 2] {
        let domain = Value::of(self.domain_id.as_ref().map(DomainId::as_str));
        [("target.role.name", Value::Text(&self.name)), ("target.role.domain_id", domain)]
    }
}

/// That who has one role has another too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Implication {
    /// The role that implies.
    pub prior: RoleId,
    /// The role that follows.
    pub implied: RoleId,
}

/// A role to be.
#[derive(Debug, Clone)]
pub struct RoleDraft {
    /// The domain.
    pub domain_id: Option<DomainId>,
    /// The name.
    pub name: String,
    /// What it allows.
    pub description: Option<String>,
    /// Whether it is kept from being changed or deleted by mistake.
    pub immutable: Option<bool>,
    /// What else there was.
    pub extra: Extra,
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct RoleChange {
    /// The domain, which cannot change.
    pub domain_id: Option<Option<DomainId>>,
    /// The name.
    pub name: Option<String>,
    /// What it allows.
    pub description: Option<Option<String>>,
    /// Whether it is kept from being changed or deleted by mistake.
    pub immutable: Option<Option<bool>>,
    /// What else there was.
    pub extra: Extra,
}

impl RoleChange {
    /// Whether it does nothing but let the role be changed again.
    pub fn only_unlocks(&self) -> bool {
        let RoleChange { domain_id, name, description, immutable, extra } = self;
        let rest = domain_id.is_none() && name.is_none() && description.is_none() && extra.is_empty();
        rest && matches!(immutable, Some(None | Some(false)))
    }
}

/// These roles and all that follow from them.
pub fn implied(held: &BTreeSet<RoleId>, implications: &[Implication]) -> BTreeSet<RoleId> {
    let mut all = held.clone();
    let mut fresh: Vec<RoleId> = held.iter().cloned().collect();
    while let Some(role) = fresh.pop() {
        for implication in implications.iter().filter(|i| i.prior == role) {
            if all.insert(implication.implied.clone()) {
                fresh.push(implication.implied.clone());
            }
        }
    }
    all
}
