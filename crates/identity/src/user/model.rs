//! A user's data.

use serde::{Deserialize, Serialize};
use types::{DomainId, ProjectId, UserId};

use crate::api::Extra;

/// A user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The domain it is in.
    pub domain_id: DomainId,
    /// Its name, unique in the domain.
    pub name: String,
    /// Whether it can log in.
    pub enabled: bool,
    /// The project a token is scoped to when none is asked for.
    pub default_project_id: Option<ProjectId>,
    /// The password's hash; a user without one cannot log in by password.
    pub password: Option<String>,
    /// Whatever else the client wanted remembered.
    #[serde(default)]
    pub extra: Extra,
}

/// A user to be.
#[derive(Debug, Clone)]
pub struct UserDraft {
    /// The domain, if it was named.
    pub domain_id: Option<DomainId>,
    /// The name.
    pub name: String,
    /// Whether it can log in.
    pub enabled: bool,
    /// The default project.
    pub default_project_id: Option<ProjectId>,
    /// The password's hash.
    pub password: Option<String>,
    /// What else there was.
    pub extra: Extra,
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// The domain, which cannot change.
    pub domain_id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// Whether it can log in.
    pub enabled: Option<bool>,
    /// The default project; inner none takes it away.
    pub default_project_id: Option<Option<ProjectId>>,
    /// The password's new hash; inner none takes the password away.
    pub password: Option<Option<String>>,
    /// What else there was.
    pub extra: Extra,
}

/// Which users a list shows.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// In this domain.
    pub domain_id: Option<DomainId>,
    /// Of this name.
    pub name: Option<String>,
    /// Enabled or not.
    pub enabled: Option<bool>,
}
