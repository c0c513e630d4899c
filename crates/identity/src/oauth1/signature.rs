//! A request that is signed as RFC 5849 has it: what is signed, and whether a signature is right.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use types::Timestamp;

/// How far a consumer's clock may be off, in seconds.
const SKEW_SECONDS_MAX: i64 = 600;
/// The ways to sign that are taken.
const METHODS: [&str; 3] = ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512"];
/// What every signed request says.
const MANDATORY: [&str; 5] =
    ["oauth_signature", "oauth_consumer_key", "oauth_nonce", "oauth_timestamp", "oauth_signature_method"];

/// A POST request and the parameters that are signed with it, in plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignedRequest {
    url: String,
    params: Vec<(String, String)>,
}

/// Why a request cannot be a signed one, whoever signed it; told in oauthlib's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed {
    error: &'static str,
    detail: String,
}

impl Malformed {
    /// The request lacks something or has it in a wrong form.
    pub(crate) fn request(detail: impl Into<String>) -> Malformed {
        Malformed { error: "invalid_request", detail: detail.into() }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Validation failed with errors: {}, detail message is: {}.", self.error, self.detail)
    }
}

impl SignedRequest {
    /// The request to `url` with this header `Authorization` and this query. Nothing if the header is of another kind.
    pub(crate) fn read(url: &str, header: &str, query: &[(String, String)]) -> Option<SignedRequest> {
        let (scheme, list) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("oauth") {
            return None;
        }
        let mut params = query.to_vec();
        for part in parts(list) {
            let (name, value) = part.split_once('=')?;
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            // The realm says what is protected and is not signed.
            if name != "realm" {
                params.push((decoded(name), decoded(value)));
            }
        }
        Some(SignedRequest { url: plain_url(url), params })
    }

    /// A parameter that is there and not empty.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        let found = self.params.iter().find(|(known, _)| known == name)?;
        Some(found.1.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether all is there that a signed request says, in the right form and of this time.
    pub(crate) fn check(&self, now: Timestamp) -> Result<(), Malformed> {
        let mut names = BTreeSet::new();
        let oauth = self.params.iter().map(|(name, _)| name).filter(|name| name.starts_with("oauth_"));
        for name in oauth {
            if !names.insert(name) {
                return Err(Malformed::request("Duplicate OAuth1 entries."));
            }
        }
        if MANDATORY.iter().any(|name| self.param(name).is_none()) {
            return Err(Malformed::request("Missing mandatory OAuth parameters."));
        }
        let said = |name: &str| self.param(name).unwrap_or_default();
        let method = said("oauth_signature_method");
        if !METHODS.contains(&method) {
            let detail = format!("Invalid signature, {method} not in {METHODS:?}.");
            return Err(Malformed { error: "invalid_signature_method", detail });
        }
        if self.params.iter().any(|(name, value)| name == "oauth_version" && value != "1.0") {
            return Err(Malformed::request("Invalid OAuth version."));
        }
        refuse_time(said("oauth_timestamp"), now)?;
        let key = said("oauth_consumer_key");
        if key.len() != 32 || !is_hex(key) {
            return Err(Malformed::request("Invalid client key format."));
        }
        if !is_hex(said("oauth_nonce")) {
            return Err(Malformed::request("Invalid nonce format."));
        }
        Ok(())
    }

    /// Whether who knows these secrets signed it. A token that is not there yet has an empty secret.
    pub(crate) fn is_signed_with(&self, consumer_secret: &str, token_secret: &str) -> bool {
        let key = format!("{}&{}", encoded(consumer_secret), encoded(token_secret));
        let (key, text) = (key.as_bytes(), self.base_string());
        let Ok(signature) = STANDARD.decode(self.param("oauth_signature").unwrap_or_default()) else {
            return false;
        };
        match self.param("oauth_signature_method") {
            Some("HMAC-SHA1") => is_mac::<Hmac<Sha1>>(key, &text, &signature),
            Some("HMAC-SHA256") => is_mac::<Hmac<Sha256>>(key, &text, &signature),
            Some("HMAC-SHA512") => is_mac::<Hmac<Sha512>>(key, &text, &signature),
            _ => false,
        }
    }

    /// What is signed: the method, the address, and all parameters in order.
    fn base_string(&self) -> String {
        let signed = self.params.iter().filter(|(name, _)| name != "oauth_signature");
        let mut pairs: Vec<_> = signed.map(|(name, value)| (encoded(name), encoded(value))).collect();
        pairs.sort();
        let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("POST&{}&{}", encoded(&self.url), encoded(&pairs.join("&")))
    }
}

/// Compares in a time that does not depend on where they differ.
fn is_mac<M: Mac + KeyInit>(key: &[u8], text: &str, signature: &[u8]) -> bool {
    <M as KeyInit>::new_from_slice(key).is_ok_and(|mut mac| {
        mac.update(text.as_bytes());
        mac.verify_slice(signature).is_ok()
    })
}

fn refuse_time(said: &str, now: Timestamp) -> Result<(), Malformed> {
    if said.len() != 10 {
        return Err(Malformed::request("Invalid timestamp size"));
    }
    let time: i64 = said.parse().map_err(|_| Malformed::request("Timestamp must be an integer."))?;
    if (now.seconds() - time).abs() > SKEW_SECONDS_MAX {
        return Err(Malformed::request(format!(
            "Timestamp given is invalid, differ from allowed by over {SKEW_SECONDS_MAX} seconds."
        )));
    }
    Ok(())
}

/// Upstream's ids and nonces are made of these.
fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The parts of a header's list; a comma within quotes ends none.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let ends = move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    list.split(ends).map(str::trim).filter(|part| !part.is_empty())
}

/// The address as it is signed: scheme and host in small letters, and no port where it is the usual one.
fn plain_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (scheme, host) = (scheme.to_lowercase(), host.to_lowercase());
    let usual = if scheme == "https" { ":443" } else { ":80" };
    format!("{scheme}://{}{path}", host.strip_suffix(usual).unwrap_or(&host))
}

/// Everything but letters, digits and four signs as `%` and two hexadecimal digits.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut left = text.as_bytes();
    while let [first, rest @ ..] = left {
        let hex = rest.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                left = &rest[2..];
            }
            None => {
                bytes.push(*first);
                left = rest;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
