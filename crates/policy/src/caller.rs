//! Who makes a request, and what rules can ask of them.

use serde::{Deserialize, Serialize};
use types::{DomainId, ProjectId, UserId};

use crate::{Delegation, Policy, Value};

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
    /// The operator's rules that the caller is judged by.
    pub policy: Policy,
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

    /// The control plane itself, when a reconciler calls an operation. No operator's rule binds it.
    pub fn cloud() -> Caller {
        Caller {
            user_id: "cuttle".into(),
            user_name: "cuttle".to_owned(),
            user_domain_id: "default".into(),
            scope: Scope::System,
            roles: ["admin", "manager", "member", "reader", "service"].map(str::to_owned).to_vec(),
            delegation: None,
            policy: Policy::default(),
        }
    }

    /// The kind of the token's scope. One without a scope counts as a project's, as in oslo.policy.
    pub(crate) fn scope_kind(&self) -> ScopeKind {
        match &self.scope {
            Scope::Unscoped | Scope::Project { .. } => ScopeKind::Project,
            Scope::Domain { .. } => ScopeKind::Domain,
            Scope::System => ScopeKind::System,
        }
    }

    /// What a rule reads on its left side. The token's own fields are absent where the others are null.
    pub(crate) fn attribute(&self, of: CallerAttribute) -> Option<Value<'_>> {
        let (project, project_domain) = match &self.scope {
            Scope::Project { id, domain_id, .. } => (Some(id.as_str()), Some(domain_id.as_str())),
            Scope::Unscoped | Scope::Domain { .. } | Scope::System => (None, None),
        };
        let domain = match &self.scope {
            Scope::Domain { id } => Some(id.as_str()),
            Scope::Unscoped | Scope::Project { .. } | Scope::System => None,
        };
        match of {
            CallerAttribute::UserId => Some(Value::Text(self.user_id.as_str())),
            CallerAttribute::UserName => Some(Value::Text(&self.user_name)),
            CallerAttribute::UserDomainId => Some(Value::Text(self.user_domain_id.as_str())),
            CallerAttribute::ProjectId => Some(Value::of(project)),
            CallerAttribute::ProjectDomainId => Some(Value::of(project_domain)),
            CallerAttribute::DomainId => Some(Value::of(domain)),
            CallerAttribute::SystemScope => Some(Value::of((self.scope == Scope::System).then_some("all"))),
            CallerAttribute::IsAdmin => Some(Value::Text(if self.is_admin() { "True" } else { "False" })),
            CallerAttribute::IsAdminProject => Some(Value::Text("True")),
            CallerAttribute::TokenProjectId => project.map(Value::Text),
            CallerAttribute::TokenProjectDomainId => project_domain.map(Value::Text),
            CallerAttribute::TokenDomainId => domain.map(Value::Text),
        }
    }
}

/// The kinds of scope that a rule can be open to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeKind {
    /// A project, or none.
    Project,
    /// A domain.
    Domain,
    /// The system.
    System,
}

impl ScopeKind {
    /// As OpenStack spells it.
    pub fn name(self) -> &'static str {
        match self {
            ScopeKind::Project => "project",
            ScopeKind::Domain => "domain",
            ScopeKind::System => "system",
        }
    }
}

/// What a rule can ask of a caller, beside the roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallerAttribute {
    UserId,
    UserName,
    UserDomainId,
    ProjectId,
    ProjectDomainId,
    DomainId,
    SystemScope,
    IsAdmin,
    IsAdminProject,
    TokenProjectId,
    TokenProjectDomainId,
    TokenDomainId,
}

/// The names by which rules ask. The first of several is the one that is printed.
pub(crate) const CALLER_ATTRIBUTES: &[(&str, CallerAttribute)] = &[
    ("user_id", CallerAttribute::UserId),
    ("user_name", CallerAttribute::UserName),
    ("user_domain_id", CallerAttribute::UserDomainId),
    ("project_id", CallerAttribute::ProjectId),
    ("project_domain_id", CallerAttribute::ProjectDomainId),
    ("domain_id", CallerAttribute::DomainId),
    ("system_scope", CallerAttribute::SystemScope),
    ("is_admin", CallerAttribute::IsAdmin),
    ("is_admin_project", CallerAttribute::IsAdminProject),
    ("token.project.id", CallerAttribute::TokenProjectId),
    ("token.project.domain.id", CallerAttribute::TokenProjectDomainId),
    ("token.domain.id", CallerAttribute::TokenDomainId),
    ("token.user_id", CallerAttribute::UserId),
    ("token.user.id", CallerAttribute::UserId),
    ("token.user.domain.id", CallerAttribute::UserDomainId),
    ("token.project_id", CallerAttribute::TokenProjectId),
    ("token.domain_id", CallerAttribute::TokenDomainId),
    ("tenant", CallerAttribute::ProjectId),
    ("tenant_id", CallerAttribute::ProjectId),
    ("user", CallerAttribute::UserId),
];
