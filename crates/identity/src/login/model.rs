//! A login's data: what was shown, what was wished for, and what has been proven.

use types::{Timestamp, UserId};

use crate::ids::{AccessTokenId, TrustId};
use crate::oauth1::signature::SignedRequest;
use crate::token::model::{Claims, Federated};

/// A user or project as a login names it.
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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

/// One thing that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A user's password.
    Password {
        /// The user.
        user: Named,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
    /// A passcode that changes with time.
    Totp {
        /// The user.
        user: Named,
        /// The passcode.
        passcode: String,
    },
    /// An application credential's secret.
    ApplicationCredential {
        /// Which one.
        credential: NamedCredential,
        /// The secret.
        secret: String,
    },
    /// A signature of the login itself, by OAuth.
    Signature(SignedRequest),
}

/// An application credential as a login names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedCredential {
    /// By id.
    Id(String),
    /// By name, among those of a user.
    Name {
        /// The name.
        name: String,
        /// The user.
        user: Named,
    },
}

impl Shown {
    /// The name of the method.
    pub fn method(&self) -> &'static str {
        match self {
            Shown::Password { .. } => "password",
            Shown::Token(_) => "token",
            Shown::Totp { .. } => "totp",
            Shown::ApplicationCredential { .. } => "application_credential",
            Shown::Signature(_) => "oauth1",
        }
    }
}

/// A login.
#[derive(Debug, Clone)]
pub struct Login {
    /// What is shown, each method once.
    pub shown: Vec<Shown>,
    /// What for.
    pub scope: ScopeWish,
    /// What an earlier login with fewer methods got.
    pub receipt: Option<String>,
}

/// Who logged in, and how.
#[derive(Debug, Clone)]
pub struct Proven {
    /// The user.
    pub user_id: UserId,
    /// The methods, those of a token that was shown included.
    pub methods: Vec<String>,
    /// The hash that the password was compared with. It must still be the user's.
    pub password: Option<String>,
    /// The token that was shown: the new one expires no later.
    pub from: Option<Claims>,
    /// Where the user logged in, if elsewhere.
    pub federated: Option<Federated>,
    /// The application credential whose secret was shown, which alone says what the token is for.
    pub application_credential_id: Option<String>,
    /// The access token by which the login was signed, which alone says what the token is for.
    pub access_token_id: Option<AccessTokenId>,
}

/// The methods there are. A rule may name others, which nobody can show and which do not count.
pub(crate) const METHODS: [&str; 7] =
    ["password", "token", "totp", "application_credential", "mapped", "openid", "oauth1"];

/// Whether these methods are enough for a user with these rules. A rule of which no method is known is none; where all
/// are such, everybody would be locked out, so none of them holds.
pub(crate) fn suffice(methods: &[String], rules: &[Vec<String>]) -> bool {
    let known = |rule: &Vec<String>| -> Vec<String> {
        rule.iter().filter(|method| METHODS.contains(&method.as_str())).cloned().collect()
    };
    let mut rules = rules.iter().map(known).filter(|rule| !rule.is_empty()).peekable();
    rules.peek().is_none() || rules.any(|rule| rule.iter().all(|method| methods.contains(method)))
}

/// That a user has shown some of what it takes to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The user.
    pub user_id: UserId,
    /// The methods so far.
    pub methods: Vec<String>,
    /// When.
    pub issued_at: Timestamp,
    /// Until when the rest may be shown.
    pub expires_at: Timestamp,
}
