//! A token's data: what it claims, and what stands behind the claims now.

use policy::{AccessRule, Caller, Delegation, Policy, Scope};
use serde::{Deserialize, Serialize};
use types::{DomainId, ProjectId, RoleId, Timestamp, UserId};

use crate::ids::{AccessTokenId, ConsumerId, GroupId, TrustId};

/// The method of a token for who signed with an EC2 key.
pub(crate) const EC2_METHOD: &str = "ec2credential";

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
    /// The application credential it was issued by.
    pub application_credential_id: Option<String>,
    /// The access token of OAuth it was issued by.
    pub access_token_id: Option<AccessTokenId>,
    /// Where the user logged in, if elsewhere.
    pub federated: Option<Federated>,
}

/// A login at an identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Federated {
    /// The identity provider.
    pub idp_id: String,
    /// The protocol that was spoken with it.
    pub protocol_id: String,
    /// The groups that the mapping put the user into, for the life of the token.
    pub group_ids: Vec<GroupId>,
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
    /// When the password has to be another.
    pub password_expires_at: Option<Timestamp>,
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

/// The application credential behind a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationCredentialRef {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it may make others.
    pub unrestricted: bool,
    /// The requests it is good for, if not for all.
    pub access_rules: Option<Vec<AccessRule>>,
}

/// The access token of OAuth behind a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessTokenRef {
    /// Its id.
    pub id: AccessTokenId,
    /// Who acts by it.
    pub consumer_id: ConsumerId,
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
    /// By which application credential.
    pub application_credential: Option<ApplicationCredentialRef>,
    /// By which access token.
    pub access_token: Option<AccessTokenRef>,
}

impl Token {
    /// Who makes a request with it, judged by the operator's rules.
    pub fn caller(&self, policy: &Policy) -> Caller {
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
            delegation: self.delegation(),
            policy: policy.clone(),
        }
    }

    fn delegation(&self) -> Option<Delegation> {
        if let Some(trust) = &self.trust {
            return Some(Delegation::Trust { id: trust.id.to_string() });
        }
        if self.claims.methods.iter().any(|method| method == EC2_METHOD) {
            return Some(Delegation::Ec2Key);
        }
        if let Some(token) = &self.access_token {
            return Some(Delegation::AccessToken { id: token.id.to_string() });
        }
        let credential = self.application_credential.as_ref()?;
        Some(Delegation::ApplicationCredential {
            id: credential.id.clone(),
            unrestricted: credential.unrestricted,
            access_rules: credential.access_rules.clone(),
        })
    }
}
