//! Tokens of all kinds, most of them bad, and a provider in memory that signs them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value as Json, json};

use super::{Ask, Claims, Fetch, Oidc, OidcProvider, Refusal};

pub(crate) const ISSUER: &str = "https://idp.test/realm";

/// A provider that answers from memory. Clones are the same provider.
#[derive(Clone)]
pub(crate) struct Provider {
    key: Arc<Mutex<(String, EcdsaKeyPair)>>,
    /// What it says of tokens that are no JWTs.
    pub(crate) opaque: Arc<Mutex<BTreeMap<String, Json>>>,
    /// What it says of users.
    pub(crate) userinfo: Arc<Mutex<Json>>,
    /// What it was asked.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    /// What it says otherwise of itself.
    pub(crate) discovery: Arc<Mutex<Json>>,
}

fn new_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap()
}

fn part(json: &Json) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

impl Provider {
    pub(crate) fn new() -> Provider {
        Provider {
            key: Arc::new(Mutex::new(("k1".to_owned(), new_key()))),
            opaque: Arc::default(),
            userinfo: Arc::default(),
            asked: Arc::default(),
            discovery: Arc::default(),
        }
    }

    /// The cloud's side of it.
    pub(crate) fn trusted(&self, change: impl FnOnce(&mut OidcProvider)) -> Oidc {
        let mut provider = OidcProvider {
            issuer: ISSUER.to_owned(),
            client_id: "cuttle".to_owned(),
            client_secret: Some("s3cret".to_owned()),
            audiences: Vec::new(),
            userinfo: false,
        };
        change(&mut provider);
        Oidc::new(vec![provider], self.clone())
    }

    /// Gets itself another key.
    pub(crate) fn rotate(&self, id: &str) {
        *self.key.lock().unwrap() = (id.to_owned(), new_key());
    }

    /// Claims that are good, but for what is said otherwise; null takes one away.
    pub(crate) fn claims(&self, but: Json) -> Json {
        let now = runtime::now().seconds();
        let mut claims = json!({"iss": ISSUER, "aud": "cuttle", "sub": "ada", "exp": now + 300});
        for (name, value) in but.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    /// A token that it signed.
    pub(crate) fn token(&self, but: Json) -> String {
        let kid = self.key.lock().unwrap().0.clone();
        self.sign(&json!({"alg": "ES256", "kid": kid}), &self.claims(but))
    }

    fn sign(&self, header: &Json, claims: &Json) -> String {
        let signed = format!("{}.{}", part(header), part(claims));
        let key = self.key.lock().unwrap();
        let signature = key.1.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    fn jwks(&self) -> Json {
        let key = self.key.lock().unwrap();
        let point = key.1.public_key().as_ref();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (x, y) = (number(&point[1..33]), number(&point[33..]));
        json!({"keys": [
            {"kty": "oct", "k": "AAAA", "kid": key.0},
            {"kty": "EC", "crv": "P-256", "kid": key.0, "x": x, "y": y, "use": "sig"},
        ]})
    }
}

impl Fetch for Provider {
    fn fetch(&self, ask: &Ask<'_>) -> Result<Vec<u8>, String> {
        let path = ask.url.strip_prefix(ISSUER).ok_or_else(|| format!("asked elsewhere: {}", ask.url))?;
        self.asked.lock().unwrap().push(path.to_owned());
        let answer = match path {
            "/.well-known/openid-configuration" => {
                let mut told = json!({
                    "issuer": ISSUER,
                    "jwks_uri": format!("{ISSUER}/jwks"),
                    "introspection_endpoint": format!("{ISSUER}/introspect"),
                    "userinfo_endpoint": format!("{ISSUER}/userinfo"),
                });
                for (name, value) in self.discovery.lock().unwrap().as_object().into_iter().flatten() {
                    told[name] = value.clone();
                }
                told
            }
            "/jwks" => self.jwks(),
            "/introspect" => {
                assert_eq!(ask.authorization.as_deref(), Some("Basic Y3V0dGxlOnMzY3JldA=="));
                let form = ask.form.clone().unwrap();
                let token = form.iter().find(|(name, _)| *name == "token").unwrap().1;
                let known = self.opaque.lock().unwrap().get(token).cloned();
                known.unwrap_or_else(|| json!({"active": false}))
            }
            "/userinfo" => {
                assert!(ask.authorization.as_ref().unwrap().starts_with("Bearer "));
                self.userinfo.lock().unwrap().clone()
            }
            other => return Err(format!("404 for {other}")),
        };
        Ok(answer.to_string().into_bytes())
    }
}

fn issuers() -> Vec<String> {
    vec![ISSUER.to_owned()]
}

fn why(result: Result<Claims, Refusal>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn claims_that_are_good_and_bad() {
    let provider = Provider::new();
    let oidc = provider.trusted(|_| {});
    let ask = |but: Json| oidc.claims(&provider.token(but), &issuers());
    let now = runtime::now().seconds();
    assert_eq!(ask(json!({"email": "ada@test"})).unwrap()["email"], "ada@test");
    assert!(ask(json!({"aud": ["other", "cuttle"]})).is_ok());
    assert!(ask(json!({"exp": now - 30})).is_ok());
    assert!(ask(json!({"nbf": now + 30})).is_ok());
    let check = |but: Json, part: &str| {
        let why = why(ask(but.clone()));
        assert!(why.contains(part), "{but}: {why}");
    };
    check(json!({"iss": "https://other.test"}), "no provider that is configured");
    check(json!({"iss": null}), "no provider that is configured");
    check(json!({"aud": "other"}), "somebody else");
    check(json!({"aud": ["other"]}), "somebody else");
    check(json!({"aud": null}), "somebody else");
    check(json!({"exp": now - 61}), "expired");
    check(json!({"exp": null}), "never expires");
    check(json!({"exp": "soon"}), "never expires");
    check(json!({"nbf": now + 90}), "not valid yet");
    check(json!({"nbf": "now"}), "not valid yet");
    check(json!({"sub": null}), "nobody");
    check(json!({"sub": ""}), "nobody");
    // Asked once for all of these.
    assert_eq!(provider.asked.lock().unwrap().len(), 2);
    // An issuer that is configured counts only for the identity provider that names it.
    assert!(why(oidc.claims(&provider.token(json!({})), &[])).contains("no provider"));
    assert!(why(Oidc::default().claims(&provider.token(json!({})), &issuers())).contains("no provider"));
    let strict = provider.trusted(|p| p.audiences = vec!["cloud".to_owned()]);
    assert!(why(strict.claims(&provider.token(json!({})), &issuers())).contains("somebody else"));
    assert!(strict.claims(&provider.token(json!({"aud": "cloud"})), &issuers()).is_ok());
}

#[test]
fn signatures_that_are_none() {
    let provider = Provider::new();
    let oidc = provider.trusted(|_| {});
    let claims = provider.claims(json!({}));
    let check = |token: &str, part: &str| {
        let why = why(oidc.claims(token, &issuers()));
        assert!(why.contains(part), "{why}");
    };
    for algorithm in ["none", "None", "HS256", "RS256", "ES384", ""] {
        check(&provider.sign(&json!({"alg": algorithm, "kid": "k1"}), &claims), "no key");
        let unsigned = format!("{}.{}.", part(&json!({"alg": algorithm})), part(&claims));
        check(&unsigned, "no key");
    }
    check(&provider.sign(&json!({"kid": "k1"}), &claims), "no key");
    check(&provider.sign(&json!({"alg": "ES256", "kid": "other"}), &claims), "no key");
    assert!(oidc.claims(&provider.sign(&json!({"alg": "ES256"}), &claims), &issuers()).is_ok());
    let token = provider.token(json!({}));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let forged = provider.claims(json!({"sub": "root"}));
    check(&format!("{header}.{}.{signature}", part(&forged)), "signature is wrong");
    check(&format!("{signed}."), "signature is wrong");
    check(&Provider::new().token(json!({})), "signature is wrong");
}

#[test]
fn a_provider_changes_its_key() {
    let provider = Provider::new();
    let oidc = provider.trusted(|_| {});
    let old = provider.token(json!({}));
    assert!(oidc.claims(&old, &issuers()).is_ok());
    provider.rotate("k2");
    // It was asked a moment ago: so soon it is not asked again, whoever makes up keys.
    assert!(why(oidc.claims(&provider.token(json!({})), &issuers())).contains("no key"));
    assert_eq!(provider.asked.lock().unwrap().len(), 2);
    let fresh = provider.trusted(|_| {});
    assert!(fresh.claims(&provider.token(json!({})), &issuers()).is_ok());
    assert!(why(fresh.claims(&old, &issuers())).contains("no key"));
}

#[test]
fn tokens_that_only_the_provider_understands() {
    let provider = Provider::new();
    let oidc = provider.trusted(|_| {});
    let say = |token: &str, what: Json| provider.opaque.lock().unwrap().insert(token.to_owned(), what);
    say("good", json!({"active": true, "sub": "ada", "client_id": "cuttle", "groups": ["reef"]}));
    say("other", json!({"active": true, "sub": "ada", "client_id": "other"}));
    say("foreign", json!({"active": true, "sub": "ada", "client_id": "cuttle", "iss": "https://x"}));
    say("old", json!({"active": true, "sub": "ada", "client_id": "cuttle", "exp": 1}));
    assert_eq!(oidc.claims("good", &issuers()).unwrap()["groups"], json!(["reef"]));
    let check = |token: &str, part: &str| {
        let why = why(oidc.claims(token, &issuers()));
        assert!(why.contains(part), "{why}");
    };
    check("unknown", "not active");
    check("other", "somebody else");
    check("foreign", "another issuer");
    check("old", "expired");
    let without = provider.trusted(|p| p.client_secret = None);
    assert!(why(without.claims("good", &issuers())).contains("cannot be asked"));
}

#[test]
fn more_about_the_user() {
    let provider = Provider::new();
    let oidc = provider.trusted(|p| p.userinfo = true);
    *provider.userinfo.lock().unwrap() = json!({"sub": "ada", "email": "ada@test", "aud": "else"});
    let claims = oidc.claims(&provider.token(json!({})), &issuers()).unwrap();
    assert_eq!((&claims["email"], &claims["aud"]), (&json!("ada@test"), &json!("cuttle")));
    *provider.userinfo.lock().unwrap() = json!({"sub": "bob"});
    assert!(why(oidc.claims(&provider.token(json!({})), &issuers())).contains("another user"));
}

#[test]
fn providers_that_are_none() {
    let check = |discovery: Json, part: &str| {
        let provider = Provider::new();
        *provider.discovery.lock().unwrap() = discovery;
        let why = why(provider.trusted(|_| {}).claims(&provider.token(json!({})), &issuers()));
        assert!(why.contains(part), "{why}");
    };
    check(json!({"issuer": "https://idp.test/other"}), "calls itself");
    check(json!({"jwks_uri": null}), "no jwks_uri");
    check(json!({"jwks_uri": "https://evil.test/jwks"}), "elsewhere");
    check(json!({"jwks_uri": "https://idp.test@evil.test/jwks"}), "elsewhere");
    check(json!({"jwks_uri": "file:///etc/passwd"}), "elsewhere");
    check(json!({"jwks_uri": format!("{ISSUER}/nothing")}), "404");
}
