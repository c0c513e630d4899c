//! A mapping's data, and what comes out of one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::ids::MappingId;
use crate::login::model::DomainSpec;

/// A mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    /// Its id, which the operator chose.
    pub id: MappingId,
    /// The version of the language that the rules are in.
    pub schema_version: Version,
    /// The rules as the client wrote them.
    pub rules: Json,
}

/// A version of the mapping language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Version {
    /// The first.
    #[serde(rename = "1.0")]
    V1,
    /// With domains for projects, and a domain for everything that names none.
    #[serde(rename = "2.0")]
    V2,
    /// With projects out of the assertion, and none but those kept.
    #[serde(rename = "3.0")]
    V3,
}

impl Version {
    /// `1.0`, `2.0` or `3.0`.
    pub fn name(self) -> &'static str {
        match self {
            Version::V1 => "1.0",
            Version::V2 => "2.0",
            Version::V3 => "3.0",
        }
    }

    /// The version of this name.
    pub fn of(name: &str) -> Option<Version> {
        [Version::V1, Version::V2, Version::V3].into_iter().find(|version| version.name() == name)
    }
}

/// What an identity provider says of somebody: attributes, each with one value or several.
pub type Assertion = BTreeMap<String, Vec<String>>;

/// Whom an assertion means here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapped {
    /// The user.
    pub user: MappedUser,
    /// Groups by id.
    pub group_ids: BTreeSet<String>,
    /// Groups by name.
    pub groups: BTreeSet<(String, DomainSpec)>,
    /// Projects that the user is to have.
    pub projects: Vec<MappedProject>,
}

/// A user, as far as the rules say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MappedUser {
    /// What the user is known by, if told.
    pub id: Option<String>,
    /// The name, if told.
    pub name: Option<String>,
    /// The address, if told.
    pub email: Option<String>,
    /// The domain, if it is not the provider's.
    pub domain: Option<DomainSpec>,
    /// Whether a user is meant who was there before.
    pub local: bool,
}

/// A project and the user's roles in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedProject {
    /// Its name.
    pub name: String,
    /// The domain, if it is not the provider's.
    pub domain: Option<DomainSpec>,
    /// Names of roles.
    pub roles: Vec<String>,
}
