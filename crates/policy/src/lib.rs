//! Who may do what. It knows callers, scopes and rules; it knows no HTTP and no database.
//!
//! A service lists its rules once, under OpenStack's names, as [`Rules`]. An operation asks
//! `RULES.check("create_port", caller, &Target::project(&port.project_id))`.

mod delegation;

use std::fmt;

use serde::{Deserialize, Serialize};
use types::{DomainId, ProjectId, UserId};

pub use delegation::{AccessRule, Delegation};

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Nothing but asking for a scoped token and for oneself.
    Unscoped,
    /// One project.
    Project {
        /// The project.
        id: ProjectId,
        /// Its name.
        name: String,
        /// The domain it is in.
        domain_id: DomainId,
    },
    /// One domain's users and projects.
    Domain {
        /// The domain.
        id: DomainId,
    },
    /// The whole deployment.
    System,
}

/// Who makes a request, as its token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user_id: UserId,
    /// The user's name.
    pub user_name: String,
    /// The domain the user is in.
    pub user_domain_id: DomainId,
    /// What the token is good for.
    pub scope: Scope,
    /// Names of the roles in that scope, the implied ones included.
    pub roles: Vec<String>,
    /// By what the caller acts, if not by a login of its own.
    pub delegation: Option<Delegation>,
}

impl Caller {
    /// Whether the caller has a role of this name.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|r| r == role)
    }

    /// Whether the caller is an administrator of the deployment: role `admin` in whatever scope.
    pub fn is_admin(&self) -> bool {
        self.has_role("admin")
    }

    /// The project the token is scoped to.
    pub fn project_id(&self) -> Option<&ProjectId> {
        match &self.scope {
            Scope::Project { id, .. } => Some(id),
            Scope::Unscoped | Scope::Domain { .. } | Scope::System => None,
        }
    }

    /// The control plane itself, when a reconciler calls an operation.
    pub fn cloud() -> Caller {
        Caller {
            user_id: "cuttle".into(),
            user_name: "cuttle".to_owned(),
            user_domain_id: "default".into(),
            scope: Scope::System,
            roles: ["admin", "manager", "member", "reader", "service"].map(str::to_owned).to_vec(),
            delegation: None,
        }
    }
}

/// Whose object a request is about. Absent parts match no owner.
#[derive(Debug, Clone, Copy, Default)]
pub struct Target<'t> {
    /// The project that owns the object.
    pub project_id: Option<&'t ProjectId>,
    /// The user that owns the object.
    pub user_id: Option<&'t UserId>,
    /// The domain that owns the object.
    pub domain_id: Option<&'t DomainId>,
}

impl<'t> Target<'t> {
    /// An object of a project.
    pub fn project(id: &'t ProjectId) -> Target<'t> {
        Target { project_id: Some(id), ..Target::default() }
    }

    /// An object of a user.
    pub fn user(id: &'t UserId) -> Target<'t> {
        Target { user_id: Some(id), ..Target::default() }
    }

    /// An object of a domain.
    pub fn domain(id: &'t DomainId) -> Target<'t> {
        Target { domain_id: Some(id), ..Target::default() }
    }
}

/// A condition on the caller and the target.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// Everybody with a valid token.
    Anyone,
    /// Nobody.
    Nobody,
    /// Has this role, whatever the scope.
    Role(&'static str),
    /// The token is scoped to the project that owns the target.
    OwnerProject,
    /// The caller is the user that owns the target.
    OwnerUser,
    /// The token is scoped to the domain that owns the target.
    OwnerDomain,
    /// The token is scoped to the system.
    System,
    /// All of these.
    All(&'static [Rule]),
    /// At least one of these.
    Any(&'static [Rule]),
}

/// Role `admin`.
pub const ADMIN: Rule = Rule::Role("admin");
/// `admin`, or role `member` in the owning project.
pub const MEMBER_OR_ADMIN: Rule = Rule::Any(&[ADMIN, Rule::All(&[Rule::Role("member"), Rule::OwnerProject])]);
/// `admin`, or role `reader` in the owning project.
pub const READER_OR_ADMIN: Rule = Rule::Any(&[ADMIN, Rule::All(&[Rule::Role("reader"), Rule::OwnerProject])]);
/// `admin`, or the owner itself.
pub const USER_OR_ADMIN: Rule = Rule::Any(&[ADMIN, Rule::OwnerUser]);

impl Rule {
    /// Whether the rule allows it.
    pub fn allows(&self, caller: &Caller, target: &Target<'_>) -> bool {
        match self {
            Rule::Anyone => true,
            Rule::Nobody => false,
            Rule::Role(role) => caller.has_role(role),
            Rule::OwnerProject => target.project_id.is_some() && target.project_id == caller.project_id(),
            Rule::OwnerUser => target.user_id == Some(&caller.user_id),
            Rule::OwnerDomain => match &caller.scope {
                Scope::Domain { id } => target.domain_id == Some(id),
                Scope::Unscoped | Scope::Project { .. } | Scope::System => false,
            },
            Rule::System => caller.scope == Scope::System,
            Rule::All(rules) => rules.iter().all(|rule| rule.allows(caller, target)),
            Rule::Any(rules) => rules.iter().any(|rule| rule.allows(caller, target)),
        }
    }
}

/// A service's rules by name.
pub struct Rules(pub &'static [(&'static str, Rule)]);

/// A rule said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The rule's name, which operators find in the policy.
    pub rule: String,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {} disallows it", self.rule)
    }
}

impl std::error::Error for Denied {}

impl Rules {
    /// Asks the rule `name`. A rule that is not listed denies.
    pub fn check(&self, name: &str, caller: &Caller, target: &Target<'_>) -> Result<(), Denied> {
        let rule = self.0.iter().find(|(known, _)| *known == name).map(|(_, rule)| rule);
        match rule {
            Some(rule) if rule.allows(caller, target) => Ok(()),
            _ => Err(Denied { rule: name.to_owned() }),
        }
    }

    /// As [`Rules::check`], as a yes or no.
    pub fn allows(&self, name: &str, caller: &Caller, target: &Target<'_>) -> bool {
        self.check(name, caller, target).is_ok()
    }
}
