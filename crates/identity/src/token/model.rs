//! A token's data: what it claims, and what stands behind the claims now.

use policy::{Caller, Scope};
use types::{DomainId, ProjectId, RoleId, Timestamp, UserId};

use crate::ids::TrustId;

/// What a token is good for, as it claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimedScope {
    /// Nothing in particular.
    Unscoped,
    /// A project.
    Project(ProjectId),
    /// A domain.
    Domain(DomainId),
    /// The system.
    System,
}

/// What is encrypted in a token. All else is looked up when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The user who logged in.
    pub user_id: UserId,
    /// How: `password`, `token`.
    pub methods: Vec<String>,
    /// What for.
    pub scope: ClaimedScope,
    /// When.
    pub issued_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// The token's own audit id, and that of the first token of its chain if it is another.
    pub audit_ids: Vec<String>,
    /// The trust it was issued by.
    pub trust_id: Option<TrustId>,
}

impl Claims {
    /// The token's own audit id, by which it is revoked.
    pub fn audit_id(&self) -> &str {
        self.audit_ids.first().map_or("", String::as_str)
    }
}

/// An id and a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainRef {
    /// The domain's id.
    pub id: DomainId,
    /// Its name.
    pub name: String,
}

/// A role that a token gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRef {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    pub name: String,
}

/// The user of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRef {
    /// The user's id.
    pub id: UserId,
    /// The user's name.
    pub name: String,
    /// The user's domain.
    pub domain: DomainRef,
}

/// What a token is good for, with the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenScope {
    /// Nothing in particular.
    Unscoped,
    /// A project.
    Project {
        /// Its id.
        id: ProjectId,
        /// Its name.
        name: String,
        /// Its domain.
        domain: DomainRef,
    },
    /// A domain.
    Domain(DomainRef),
    /// The system.
    System,
}

/// The trust behind a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRef {
    /// Its id.
    pub id: TrustId,
    /// Who gave it.
    pub trustor_id: UserId,
    /// Who got it.
    pub trustee_id: UserId,
    /// Whether the trustee appears as the trustor.
    pub impersonation: bool,
}

/// A token that is good now, with all that it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it claims.
    pub claims: Claims,
    /// As whom it acts.
    pub user: UserRef,
    /// Where.
    pub scope: TokenScope,
    /// With which roles, those implied included, by name.
    pub roles: Vec<RoleRef>,
    /// By which trust.
    pub trust: Option<TrustRef>,
}

impl Token {
    /// Who makes a request with it.
    pub fn caller(&self) -> Caller {
        Caller {
            user_id: self.user.id.clone(),
            user_name: self.user.name.clone(),
            user_domain_id: self.user.domain.id.clone(),
            scope: match &self.scope {
                TokenScope::Unscoped => Scope::Unscoped,
                TokenScope::Project { id, name, domain } => {
                    Scope::Project { id: id.clone(), name: name.clone(), domain_id: domain.id.clone() }
                }
                TokenScope::Domain(domain) => Scope::Domain { id: domain.id.clone() },
                TokenScope::System => Scope::System,
            },
            roles: self.roles.iter().map(|role| role.name.clone()).collect(),
        }
    }
}

/// A user as a login names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By id.
    Id(String),
    /// By name in a domain.
    Name {
        /// The name.
        name: String,
        /// The domain.
        domain: DomainSpec,
    },
}

/// A domain as a login names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainSpec {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

/// The scope that a login asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeWish {
    /// The default project if the user has one, else none.
    Default,
    /// None.
    Unscoped,
    /// A project.
    Project(Named),
    /// A domain.
    Domain(DomainSpec),
    /// The system.
    System,
    /// What a trust gives.
    Trust(TrustId),
}

/// A login.
#[derive(Debug, Clone)]
pub struct Login {
    /// The methods, in the order given.
    pub methods: Vec<String>,
    /// User and password, if the method `password` is used.
    pub password: Option<(Named, String)>,
    /// A token, if the method `token` is used.
    pub token: Option<String>,
    /// What for.
    pub scope: ScopeWish,
}
