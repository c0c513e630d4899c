//! Keystone's `[security_compliance]`: when an account is locked, how long a password lives, what it must look like.

use std::num::NonZeroU32;
use std::time::Duration;

use regex_lite::Regex;
use serde::Deserialize;
use types::Timestamp;

use super::model::User;
use crate::Error;

const DAY: Duration = Duration::from_secs(86_400);

/// What an operator demands of users and their passwords. Everything is off by default, as in Keystone.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecurityCompliance {
    /// After so many wrong passwords in a row the account is locked.
    pub lockout_failure_attempts: Option<NonZeroU32>,
    /// For how many seconds.
    pub lockout_duration: NonZeroU32,
    /// Who has not logged in for so many days is disabled.
    pub disable_user_account_days_inactive: Option<NonZeroU32>,
    /// So many days after it was set a password has to be changed.
    pub password_expires_days: Option<NonZeroU32>,
    /// A new password must differ from as many as this of those before it.
    pub unique_last_password_count: u32,
    /// For so many days a password that its user chose cannot be changed by the user.
    pub minimum_password_age: u32,
    /// What a password has to match.
    pub password_regex: Option<PasswordPattern>,
    /// The same for people.
    pub password_regex_description: Option<String>,
    /// Whether a password that an administrator set has to be changed before it is good for anything.
    pub change_password_upon_first_use: bool,
}

impl Default for SecurityCompliance {
    fn default() -> SecurityCompliance {
        SecurityCompliance {
            lockout_failure_attempts: None,
            lockout_duration: NonZeroU32::MIN.saturating_add(1799),
            disable_user_account_days_inactive: None,
            password_expires_days: None,
            unique_last_password_count: 0,
            minimum_password_age: 0,
            password_regex: None,
            password_regex_description: None,
            change_password_upon_first_use: false,
        }
    }
}

impl SecurityCompliance {
    /// Whether there were too many wrong passwords of late.
    pub(crate) fn locks(&self, user: &User, now: Timestamp) -> bool {
        let (Some(most), Some(last)) = (self.lockout_failure_attempts, user.login.failed_at) else {
            return false;
        };
        user.login.failures >= most.get()
            && !user.options.is_set("ignore_lockout_failure_attempts")
            && self.lock_end(last) > now
    }

    fn lock_end(&self, last: Timestamp) -> Timestamp {
        last.plus(Duration::from_secs(self.lockout_duration.get().into()))
    }

    /// One more wrong password. A lock that is over is forgotten.
    pub(crate) fn count_failure(&self, user: &mut User, now: Timestamp) {
        let Some(most) = self.lockout_failure_attempts else { return };
        let login = &mut user.login;
        let over = login.failed_at.is_some_and(|last| self.lock_end(last) <= now);
        if login.failures >= most.get() && over {
            login.failures = 0;
        }
        login.failures = login.failures.saturating_add(1);
        login.failed_at = Some(now);
    }

    /// Whether the user has been away for too long.
    pub(crate) fn is_inactive(&self, user: &User, now: Timestamp) -> bool {
        let days = self.disable_user_account_days_inactive;
        let last = user.login.active_at.or(user.login.created_at);
        let (Some(most), Some(last)) = (days, last) else { return false };
        day_of(now) - day_of(last) >= i64::from(most.get()) && !user.options.is_set("ignore_user_inactivity")
    }

    /// Whether anything of a login has to be remembered.
    pub(crate) fn remembers_logins(&self) -> bool {
        self.lockout_failure_attempts.is_some() || self.disable_user_account_days_inactive.is_some()
    }

    /// Remembers that the user logged in; the time once a day, and only if somebody wants to know.
    pub(crate) fn note_success(&self, user: &mut User, now: Timestamp) {
        if self.lockout_failure_attempts.is_some() {
            (user.login.failures, user.login.failed_at) = (0, None);
        }
        let last = user.login.active_at;
        if self.disable_user_account_days_inactive.is_some() && last.map(day_of) != Some(day_of(now)) {
            user.login.active_at = Some(now);
        }
    }

    /// Lets a user begin anew whom an administrator enables, be it again.
    pub(crate) fn forgive(&self, user: &mut User, now: Timestamp) {
        (user.login.failures, user.login.failed_at) = (0, None);
        if self.disable_user_account_days_inactive.is_some() {
            user.login.active_at = Some(now);
        }
    }

    /// When a password that is set now has to be changed: at once if an administrator set it and users shall choose
    /// their own.
    pub(crate) fn expiry(&self, user: &User, now: Timestamp, by_user: bool) -> Option<Timestamp> {
        let first_use = self.change_password_upon_first_use && !by_user;
        if first_use && !user.options.is_set("ignore_change_password_upon_first_use") {
            return Some(now);
        }
        let days = self.password_expires_days.filter(|_| !user.options.is_set("ignore_password_expiry"))?;
        Some(Timestamp::from_seconds(now.plus(DAY * days.get()).seconds()))
    }

    /// Refuses a password that does not look as it must.
    pub(crate) fn refuse_weak(&self, password: Option<&str>) -> Result<(), Error> {
        let Some(pattern) = &self.password_regex else { return Ok(()) };
        match password {
            Some(password) if pattern.allows(password) => return Ok(()),
            Some(_) => {}
            None => {
                let problem = "Password validation error: Password must be a string type.";
                return Err(Error::Invalid(problem.to_owned()));
            }
        }
        let detail = self.password_regex_description.as_deref().unwrap_or("None");
        Err(Error::Invalid(format!("The password does not match the requirements: {detail}.")))
    }

    /// Refuses a user who changes the own password again too soon.
    pub(crate) fn refuse_young(&self, user: &User, now: Timestamp) -> Result<(), Error> {
        let Some(set) = user.login.password_set_at.filter(|_| user.login.password_is_own) else {
            return Ok(());
        };
        let end = set.plus(DAY * self.minimum_password_age);
        if now >= end {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "You cannot change your password at this time due to the minimum password age. Once you change your \
             password, it must be used for {} day(s) before it can be changed. Please try again in {} day(s) or \
             contact your administrator to reset your password.",
            self.minimum_password_age,
            end.since(now).as_secs() / DAY.as_secs()
        )))
    }

    /// The hashes that a new password must not be that of.
    pub(crate) fn barred(&self, user: &User) -> Vec<String> {
        let most = usize::try_from(self.unique_last_password_count).unwrap_or(usize::MAX);
        user.password.iter().chain(user.login.earlier_passwords.iter().rev()).take(most).cloned().collect()
    }

    /// How many hashes beside the one in use have to be kept.
    pub(crate) fn kept_passwords(&self) -> usize {
        usize::try_from(self.unique_last_password_count.saturating_sub(1)).unwrap_or(usize::MAX)
    }
}

fn day_of(time: Timestamp) -> i64 {
    time.seconds().div_euclid(86_400)
}

/// A regular expression for passwords. Operators demand several things of one password by look-aheads at its start,
/// which the engine does not know; so these are taken off and become expressions of their own.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct PasswordPattern {
    text: String,
    demanded: Vec<Regex>,
    forbidden: Vec<Regex>,
}

impl PasswordPattern {
    /// The pattern as the operator wrote it, which clients may read.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the password begins with what is demanded, for Keystone's match need not reach the end.
    pub(crate) fn allows(&self, password: &str) -> bool {
        self.demanded.iter().all(|pattern| pattern.is_match(password))
            && !self.forbidden.iter().any(|pattern| pattern.is_match(password))
    }
}

impl TryFrom<String> for PasswordPattern {
    type Error = String;

    fn try_from(text: String) -> Result<PasswordPattern, String> {
        let at_start = |part: &str| {
            Regex::new(&format!("^(?:{part})"))
                .map_err(|e| format!("password_regex is no regular expression that can be used: {part}: {e}"))
        };
        let (mut demanded, mut forbidden) = (Vec::new(), Vec::new());
        let mut rest = text.strip_prefix('^').unwrap_or(&text);
        while let Some((is_demand, inner, after)) = look_ahead(rest) {
            if is_demand { &mut demanded } else { &mut forbidden }.push(at_start(inner)?);
            rest = after;
        }
        demanded.push(at_start(rest)?);
        Ok(PasswordPattern { text, demanded, forbidden })
    }
}

/// The look-ahead that the pattern begins with: whether it is a positive one, what is in it, and what follows.
fn look_ahead(pattern: &str) -> Option<(bool, &str, &str)> {
    let (is_demand, inner) = match (pattern.strip_prefix("(?="), pattern.strip_prefix("(?!")) {
        (Some(inner), _) => (true, inner),
        (None, Some(inner)) => (false, inner),
        (None, None) => return None,
    };
    let (mut depth, mut in_class, mut escaped) = (0, false, false);
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ']' => in_class = false,
            _ if in_class => {}
            '[' => in_class = true,
            '(' => depth += 1,
            ')' if depth == 0 => return Some((is_demand, &inner[..at], &inner[at + 1..])),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}
