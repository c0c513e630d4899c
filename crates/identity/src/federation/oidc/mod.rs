//! OpenID Connect: whether an access token is one that a trusted provider gave for us, and whom it is about.
//!
//! A provider is trusted by being configured. A token that is a JWT is verified by the provider's public keys; any other
//! is shown to the provider. Nothing here touches the database, and whoever calls may wait for the provider.

mod jwt;
mod provider;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value as Json};
use types::Timestamp;

use self::jwt::Jwt;
use self::provider::Known;

/// What a provider says of a user.
pub type Claims = Map<String, Json>;

/// A provider whose tokens are believed.
#[derive(Clone)]
pub struct OidcProvider {
    /// What it calls itself; its own address begins so too.
    pub issuer: String,
    /// What this cloud is called there.
    pub client_id: String,
    /// This cloud's password there, needed to ask about tokens that are no JWTs.
    pub client_secret: Option<String>,
    /// Whom a token must be meant for: one of these, or the client id if there is none.
    pub audiences: Vec<String>,
    /// Whether to ask the provider for more about the user than a JWT says.
    pub userinfo: bool,
}

impl fmt::Debug for OidcProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secret is nobody's business.
        write!(f, "OidcProvider({} at {})", self.client_id, self.issuer)
    }
}

/// A request to a provider.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// Where to.
    pub url: &'a str,
    /// Who asks.
    pub authorization: Option<String>,
    /// The fields to POST; GET without.
    pub form: Option<Vec<(&'a str, &'a str)>>,
}

/// How providers are asked. Answers are short and soon, or an error.
pub trait Fetch: Send + Sync {
    /// The body of an answer of status 200.
    fn fetch(&self, ask: &Ask<'_>) -> Result<Vec<u8>, String>;
}

/// Why a token is worth nothing. For the log; the client learns no more than that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// None of the providers accepted is configured, or the token is of another.
    #[error("the token is of no provider that is configured for this identity provider")]
    Stranger,
    /// The token itself is no good.
    #[error("the token is not good: {0}")]
    Token(&'static str),
    /// The provider does not answer as one does.
    #[error("the provider {issuer} is of no help: {problem}")]
    Provider {
        /// Which one.
        issuer: String,
        /// What is wrong.
        problem: String,
    },
}

/// How long a provider's keys and addresses are believed.
const BELIEVED: Duration = Duration::from_secs(600);
/// How soon a key that is not known makes us ask again, so that made-up keys do not make us a nuisance.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// How far the clocks of a provider and of us may be apart.
const CLOCK_SKEW_SECONDS: f64 = 60.0;

struct Shared {
    providers: Vec<OidcProvider>,
    fetch: Box<dyn Fetch>,
    known: Mutex<BTreeMap<String, Arc<Known>>>,
}

/// The providers that are trusted. The default is none.
#[derive(Clone, Default)]
pub struct Oidc(Option<Arc<Shared>>);

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().flat_map(|shared| &shared.providers)).finish()
    }
}

impl Oidc {
    /// These providers, asked in this way.
    pub fn new(providers: Vec<OidcProvider>, fetch: impl Fetch + 'static) -> Oidc {
        let known = Mutex::default();
        Oidc(Some(Arc::new(Shared { providers, fetch: Box::new(fetch), known })))
    }

    /// What a token says, if one of the providers that call themselves so gave it for us. It may ask the provider.
    pub fn claims(&self, token: &str, issuers: &[String]) -> Result<Claims, Refusal> {
        let shared = self.0.as_deref().ok_or(Refusal::Stranger)?;
        let accepted = || shared.providers.iter().filter(|provider| issuers.contains(&provider.issuer));
        if let Some(jwt) = Jwt::parse(token) {
            let issuer = jwt.claims.get("iss").and_then(Json::as_str);
            let provider = accepted().find(|provider| Some(provider.issuer.as_str()) == issuer);
            return shared.of_jwt(provider.ok_or(Refusal::Stranger)?, token, jwt);
        }
        let mut refusal = Refusal::Stranger;
        for provider in accepted() {
            match shared.of_opaque(provider, token) {
                Ok(claims) => return Ok(claims),
                Err(other) => refusal = other,
            }
        }
        Err(refusal)
    }
}

impl Shared {
    fn of_jwt(&self, provider: &OidcProvider, token: &str, jwt: Jwt<'_>) -> Result<Claims, Refusal> {
        let now = runtime::now();
        let mut known = self.known(provider, |known| known.at.plus(BELIEVED) > now)?;
        if known.key_for(&jwt).is_none() {
            // The provider may have a new key.
            known = self.known(provider, |known| known.at.plus(ASK_AGAIN) > now)?;
        }
        let key = known.key_for(&jwt).ok_or(Refusal::Token("no key of the provider's signed it"))?;
        if !jwt.is_signed_by(key) {
            return Err(Refusal::Token("its signature is wrong"));
        }
        check(&jwt.claims, provider, now)?;
        let mut claims = jwt.claims;
        if provider.userinfo {
            add(&mut claims, known.userinfo(self.fetch.as_ref(), token)?)?;
        }
        Ok(claims)
    }

    fn of_opaque(&self, provider: &OidcProvider, token: &str) -> Result<Claims, Refusal> {
        let now = runtime::now();
        let known = self.known(provider, |known| known.at.plus(BELIEVED) > now)?;
        let mut claims = known.introspect(self.fetch.as_ref(), provider, token)?;
        if claims.get("active") != Some(&Json::Bool(true)) {
            return Err(Refusal::Token("the provider says that it is not active"));
        }
        // Both are the provider's own to leave out.
        claims.entry("iss").or_insert_with(|| provider.issuer.clone().into());
        if let (None, Some(client)) = (claims.get("aud"), claims.get("client_id").cloned()) {
            claims.insert("aud".to_owned(), client);
        }
        claims.entry("exp").or_insert_with(|| (now.seconds() + 1).into());
        check(&claims, provider, now)?;
        if provider.userinfo {
            add(&mut claims, known.userinfo(self.fetch.as_ref(), token)?)?;
        }
        Ok(claims)
    }

    /// What is known of a provider, as long as it is fresh; else it is asked. Two callers may ask at the same time.
    fn known(&self, provider: &OidcProvider, fresh: impl Fn(&Known) -> bool) -> Result<Arc<Known>, Refusal> {
        let kept = self.known.lock().ok().and_then(|all| all.get(&provider.issuer).cloned());
        if let Some(known) = kept.filter(|known| fresh(known)) {
            return Ok(known);
        }
        let known = Arc::new(Known::ask(self.fetch.as_ref(), &provider.issuer)?);
        if let Ok(mut all) = self.known.lock() {
            all.insert(provider.issuer.clone(), known.clone());
        }
        Ok(known)
    }
}

/// Refuses claims that are another's, for another, too old or too young.
fn check(claims: &Claims, provider: &OidcProvider, now: Timestamp) -> Result<(), Refusal> {
    let now = now.seconds() as f64;
    if claims.get("iss").and_then(Json::as_str) != Some(&provider.issuer) {
        return Err(Refusal::Token("it is of another issuer"));
    }
    let ours = |audience: &Json| match provider.audiences.is_empty() {
        true => audience.as_str() == Some(&provider.client_id),
        false => provider.audiences.iter().any(|known| audience.as_str() == Some(known)),
    };
    let meant = match claims.get("aud") {
        Some(Json::Array(audiences)) => audiences.iter().any(ours),
        Some(audience) => ours(audience),
        None => false,
    };
    if !meant {
        return Err(Refusal::Token("it is meant for somebody else"));
    }
    match claims.get("exp").and_then(Json::as_f64) {
        Some(at) if at + CLOCK_SKEW_SECONDS > now => {}
        Some(_) => return Err(Refusal::Token("it has expired")),
        None => return Err(Refusal::Token("it never expires")),
    }
    match claims.get("nbf").map(Json::as_f64) {
        None => {}
        Some(Some(at)) if at - CLOCK_SKEW_SECONDS <= now => {}
        Some(_) => return Err(Refusal::Token("it is not valid yet")),
    }
    match claims.get("sub").and_then(Json::as_str) {
        Some(subject) if !subject.is_empty() => Ok(()),
        _ => Err(Refusal::Token("it is about nobody")),
    }
}

/// Adds what else the provider says, if it is about the same user. What the token says counts more.
fn add(claims: &mut Claims, more: Claims) -> Result<(), Refusal> {
    if more.get("sub") != claims.get("sub") {
        return Err(Refusal::Token("the provider speaks of another user"));
    }
    for (name, value) in more {
        claims.entry(name).or_insert(value);
    }
    Ok(())
}
