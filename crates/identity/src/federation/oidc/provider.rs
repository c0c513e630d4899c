//! What is known of a provider and what it can be asked: discovery, keys, introspection (RFC 7662), userinfo.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rest::encoded;
use serde_json::Value as Json;
use types::Timestamp;

use super::jwt::{Jwt, Key};
use super::{Ask, Claims, Fetch, OidcProvider, Refusal};

/// How many keys of a provider are looked at.
const KEYS_MAX: usize = 64;

/// A provider's addresses and keys, as it told them.
pub(super) struct Known {
    issuer: String,
    introspection: Option<String>,
    userinfo: Option<String>,
    keys: Vec<Key>,
    /// When.
    pub(super) at: Timestamp,
}

impl Known {
    /// Asks a provider who it is.
    pub(super) fn ask(fetch: &dyn Fetch, issuer: &str) -> Result<Known, Refusal> {
        let at = runtime::now();
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let told = get(fetch, issuer, &Ask { url: &url, authorization: None, form: None })?;
        if told["issuer"] != *issuer {
            return Err(useless(issuer, format!("it calls itself {}", told["issuer"])));
        }
        let address = |name: &str| match told[name].as_str() {
            // Nobody is asked but the provider itself, whatever it says.
            Some(url) if origin(url).is_some() && origin(url) == origin(issuer) => Ok(Some(url.to_owned())),
            Some(url) => Err(useless(issuer, format!("its {name} is elsewhere: {url}"))),
            None => Ok(None),
        };
        let introspection = address("introspection_endpoint").unwrap_or_default();
        let userinfo = address("userinfo_endpoint").unwrap_or_default();
        let keys = address("jwks_uri")?.ok_or_else(|| useless(issuer, "it has no jwks_uri".to_owned()))?;
        let keys = get(fetch, issuer, &Ask { url: &keys, authorization: None, form: None })?;
        let keys = keys["keys"].as_array().into_iter().flatten().take(KEYS_MAX).filter_map(Key::read);
        Ok(Known { issuer: issuer.to_owned(), introspection, userinfo, keys: keys.collect(), at })
    }

    /// The key that the token may be signed by.
    pub(super) fn key_for(&self, jwt: &Jwt<'_>) -> Option<&Key> {
        self.keys.iter().find(|key| jwt.may_be_of(key))
    }

    /// What the provider says of a token.
    pub(super) fn introspect(
        &self,
        fetch: &dyn Fetch,
        provider: &OidcProvider,
        token: &str,
    ) -> Result<Claims, Refusal> {
        let (Some(url), Some(secret)) = (&self.introspection, &provider.client_secret) else {
            return Err(Refusal::Token("it is no JWT, and the provider cannot be asked about others"));
        };
        let pair = format!("{}:{}", encoded(&provider.client_id).replace(':', "%3A"), encoded(secret));
        let authorization = Some(format!("Basic {}", STANDARD.encode(pair)));
        let form = Some(vec![("token", token), ("token_type_hint", "access_token")]);
        object(&self.issuer, get(fetch, &self.issuer, &Ask { url, authorization, form })?)
    }

    /// What the provider says of the token's user.
    pub(super) fn userinfo(&self, fetch: &dyn Fetch, token: &str) -> Result<Claims, Refusal> {
        let url = self.userinfo.as_deref();
        let url = url.ok_or_else(|| useless(&self.issuer, "it has no userinfo_endpoint".to_owned()))?;
        let authorization = Some(format!("Bearer {token}"));
        object(&self.issuer, get(fetch, &self.issuer, &Ask { url, authorization, form: None })?)
    }
}

fn get(fetch: &dyn Fetch, issuer: &str, ask: &Ask<'_>) -> Result<Json, Refusal> {
    let bytes = fetch.fetch(ask).map_err(|problem| useless(issuer, problem))?;
    serde_json::from_slice(&bytes).map_err(|e| useless(issuer, format!("{} gave no JSON: {e}", ask.url)))
}

fn object(issuer: &str, value: Json) -> Result<Claims, Refusal> {
    match value {
        Json::Object(claims) => Ok(claims),
        _ => Err(useless(issuer, "its answer is no object".to_owned())),
    }
}

fn useless(issuer: &str, problem: String) -> Refusal {
    Refusal::Provider { issuer: issuer.to_owned(), problem }
}

/// Scheme, host and port; none for what is no HTTP.
fn origin(url: &str) -> Option<&str> {
    let scheme = ["https://", "http://"].into_iter().find(|scheme| url.starts_with(scheme))?;
    let host = url[scheme.len()..].find(['/', '?', '#']).map_or(url.len(), |at| scheme.len() + at);
    (host > scheme.len() && !url[..host].contains('@')).then_some(&url[..host])
}
