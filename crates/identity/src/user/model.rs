//! A user's data.

use serde::{Deserialize, Serialize};
use types::{DomainId, ProjectId, Timestamp, UserId};

use super::compliance::SecurityCompliance;
use super::options::{OptionsChange, UserOptions};
use crate::Error;
use crate::api::Extra;
use crate::federation::user::model::{Identity, IdentityFilter};

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
    /// Exceptions, and what it takes to log in.
    #[serde(default)]
    pub options: UserOptions,
    /// What is remembered of the password and of logins.
    #[serde(default)]
    pub login: LoginRecord,
    /// Whether it came by logging in elsewhere. Then its name may be another user's too.
    #[serde(default)]
    pub ephemeral: bool,
    /// Whatever else the client wanted remembered.
    #[serde(default)]
    pub extra: Extra,
}

/// What is remembered of a user's password and logins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginRecord {
    /// When the user was made.
    pub created_at: Option<Timestamp>,
    /// When the password was set.
    pub password_set_at: Option<Timestamp>,
    /// When it has to be another.
    pub password_expires_at: Option<Timestamp>,
    /// Whether the user chose it, and not an administrator.
    pub password_is_own: bool,
    /// The hashes of those before it, the oldest first, as many as it takes to refuse them.
    pub earlier_passwords: Vec<String>,
    /// When the user last logged in, to the day.
    pub active_at: Option<Timestamp>,
    /// Wrong passwords since the last right one.
    pub failures: u32,
    /// When the last of them came.
    pub failed_at: Option<Timestamp>,
}

/// A password that somebody showed, as it compared with a user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Whether it was the same.
    pub(crate) same: bool,
    /// Whether it is good though expired, as it is for choosing another.
    pub(crate) may_be_expired: bool,
}

impl User {
    /// Sets or takes away the password.
    pub(crate) fn set_password(
        &mut self,
        compliance: &SecurityCompliance,
        hash: Option<String>,
        now: Timestamp,
        by_user: bool,
    ) {
        let expires_at = compliance.expiry(self, now, by_user).filter(|_| hash.is_some());
        let earlier = &mut self.login.earlier_passwords;
        earlier.extend(self.password.take());
        earlier.drain(..earlier.len().saturating_sub(compliance.kept_passwords()));
        self.password = hash;
        self.login.password_set_at = Some(now);
        self.login.password_expires_at = expires_at;
        self.login.password_is_own = by_user;
    }

    /// Whether the password has to be changed before it is good for anything else.
    pub(crate) fn has_expired_password(&self, now: Timestamp) -> bool {
        let expires_at = self.login.password_expires_at;
        expires_at.is_some_and(|at| at <= now) && !self.options.is_set("ignore_password_expiry")
    }

    /// Whether a password logs the user in, and what has to be remembered of it. Keystone says why not, but only to
    /// who knows the password, or after too many who did not.
    pub(crate) fn judge(
        &mut self,
        compliance: &SecurityCompliance,
        shown: Comparison,
        now: Timestamp,
    ) -> Result<(), Error> {
        if compliance.locks(self, now) {
            return Err(Error::LoginRefused(format!("The account is locked for user: {}.", self.id)));
        }
        if !shown.same {
            compliance.count_failure(self, now);
            return Err(Error::Unauthorized);
        }
        if !self.enabled {
            return Err(Error::Unauthorized);
        }
        if compliance.is_inactive(self, now) {
            return Err(Error::LoginRefused(format!("The account is disabled for user: {}.", self.id)));
        }
        if !shown.may_be_expired && self.has_expired_password(now) {
            return Err(Error::LoginRefused(format!(
                "The password is expired and needs to be changed for user: {}.",
                self.id
            )));
        }
        compliance.note_success(self, now);
        Ok(())
    }
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
    /// Its options.
    pub options: OptionsChange,
    /// Who the user is elsewhere.
    pub federated: Option<Vec<Identity>>,
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
    /// Options.
    pub options: OptionsChange,
    /// Who the user is elsewhere.
    pub federated: Option<Vec<Identity>>,
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
    /// Who somebody elsewhere is.
    pub identity: IdentityFilter,
}
