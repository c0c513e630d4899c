//! What is taken over, and what came of it.

use std::collections::BTreeMap;
use std::fmt;

use crate::assignment::model::Assignment;
use crate::domain::model::Domain;
use crate::group::model::{Group, Membership};
use crate::project::model::Project;
use crate::role::model::{Implication, Role};
use crate::user::model::User;

/// What another Keystone holds, as far as it is taken over.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub(crate) domains: Vec<Domain>,
    pub(crate) projects: Vec<Project>,
    pub(crate) roles: Vec<Role>,
    pub(crate) implications: Vec<Implication>,
    pub(crate) groups: Vec<Group>,
    pub(crate) users: Vec<User>,
    pub(crate) memberships: Vec<Membership>,
    pub(crate) assignments: Vec<Assignment>,
    /// Users of other backends, who have no password to take over.
    pub(crate) left_out: usize,
}

/// What was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// How many, by kind.
    pub made: BTreeMap<&'static str, usize>,
    /// How many users of other backends were left out.
    pub left_out: usize,
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made = self.made.iter().filter(|(_, count)| **count > 0);
        let made: Vec<String> = made.map(|(kind, count)| format!("{count} {kind}s")).collect();
        match made.is_empty() {
            true => f.write_str("nothing new")?,
            false => f.write_str(&made.join(", "))?,
        }
        match self.left_out {
            0 => Ok(()),
            n => write!(f, "; {n} users of LDAP or federation were left out"),
        }
    }
}
