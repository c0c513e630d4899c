//! A signed request, and the signatures that Amazon's services have had in their time.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What of a request was signed, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignedRequest {
    /// The public half of the key.
    pub access: String,
    /// The signature.
    pub signature: String,
    /// The host the request went to, with its port.
    pub host: String,
    /// Its method.
    pub verb: String,
    /// Its path.
    pub path: String,
    /// Its parameters but for the signature.
    pub params: BTreeMap<String, String>,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// The SHA-256 of its body.
    pub body_hash: String,
}

impl SignedRequest {
    /// Whether it was signed with this secret. Some clients leave out the port when they sign.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let matches =
            |host: &str| self.expected(secret, host).is_some_and(|expected| same(&expected, &self.signature));
        matches(&self.host) || self.host.rsplit_once(':').is_some_and(|(host, _)| matches(host))
    }

    /// When it says it was made.
    pub fn time(&self) -> Option<&str> {
        let in_params = |name: &str| self.params.get(name);
        in_params("Timestamp")
            .or_else(|| self.headers.get("X-Amz-Date"))
            .or_else(|| in_params("X-Amz-Date"))
            .map(String::as_str)
            .filter(|time| !time.is_empty())
    }

    fn expected(&self, secret: &str, host: &str) -> Option<String> {
        match self.params.get("SignatureVersion").map(String::as_str) {
            Some("0") => {
                let text = format!("{}{}", self.params.get("Action")?, self.params.get("Timestamp")?);
                Some(STANDARD.encode(sha1(secret.as_bytes(), text.as_bytes())?))
            }
            Some("1") => {
                let mut pairs: Vec<_> = self.params.iter().collect();
                pairs.sort_by_key(|(name, _)| name.to_lowercase());
                let text: String = pairs.iter().flat_map(|(name, value)| [name.as_str(), value]).collect();
                Some(STANDARD.encode(sha1(secret.as_bytes(), text.as_bytes())?))
            }
            Some("2") => {
                let mut params = self.params.clone();
                params.insert("SignatureMethod".to_owned(), "HmacSHA256".to_owned());
                let text = format!("{}\n{host}\n{}\n{}", self.verb, self.path, query(&params));
                Some(STANDARD.encode(sha256(secret.as_bytes(), text.as_bytes())?))
            }
            _ if self.is_version_4() => self.version_4(secret),
            _ => None,
        }
    }

    fn is_version_4(&self) -> bool {
        match self.headers.get("Authorization") {
            Some(authorization) => authorization.starts_with(VERSION_4),
            None => self.params.get("X-Amz-Algorithm").is_some_and(|algorithm| algorithm == VERSION_4),
        }
    }

    fn version_4(&self, secret: &str) -> Option<String> {
        let signed_headers = self.authorization("SignedHeaders")?;
        let is_post = self.verb.eq_ignore_ascii_case("POST");
        let request = [
            self.verb.to_uppercase(),
            self.path.clone(),
            if is_post { String::new() } else { query(&self.params) },
            self.canonical_headers(signed_headers),
            signed_headers.to_owned(),
            self.body_hash.clone(),
        ]
        .join("\n");
        let (_, scope) = self.authorization("Credential")?.split_once('/')?;
        let parts: Vec<&str> = scope.split('/').collect();
        let [date, region, service, ..] = parts.as_slice() else { return None };
        let time = self.headers.get("X-Amz-Date").or_else(|| self.params.get("X-Amz-Date"))?;
        if !time.starts_with(date) {
            return None;
        }
        let text = format!("{VERSION_4}\n{time}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
        Some(hex(&sha256(&scoped_key(secret, [date, region, service])?, text.as_bytes())?))
    }

    /// A part of what authorizes, from the header or the parameters.
    fn authorization(&self, name: &str) -> Option<&str> {
        match self.headers.get("Authorization") {
            Some(header) => {
                let (_, after) = header.split_once(&format!("{name}="))?;
                after.split(',').next()
            }
            None => self.params.get(&format!("X-Amz-{name}")).map(String::as_str),
        }
    }

    fn canonical_headers(&self, signed: &str) -> String {
        let lower: BTreeMap<String, &str> =
            self.headers.iter().map(|(name, value)| (name.trim().to_lowercase(), value.trim())).collect();
        let lines =
            signed.split(';').filter_map(|name| lower.get(name).map(|value| format!("{name}:{value}")));
        format!("{}\n", lines.collect::<Vec<_>>().join("\n"))
    }
}

const VERSION_4: &str = "AWS4-HMAC-SHA256";
/// Those whose requests may be checked by what was signed alone.
const S3_SERVICES: [&str; 3] = ["s3", "iam", "sts"];

/// Whether this is the signature of the text that an S3 request comes to.
pub fn is_s3_signature(secret: &str, text: &[u8], signature: &str) -> bool {
    let expected = match text.starts_with(b"AWS4") {
        true => s3_version_4(secret, text),
        false => sha1(secret.as_bytes(), text).map(|digest| STANDARD.encode(digest)),
    };
    expected.is_some_and(|expected| same(&expected, signature))
}

fn s3_version_4(secret: &str, text: &[u8]) -> Option<String> {
    let lines: Vec<&str> = std::str::from_utf8(text).ok()?.split('\n').collect();
    let [VERSION_4, _, scope, _] = lines.as_slice() else { return None };
    let parts: Vec<&str> = scope.split('/').collect();
    match parts.as_slice() {
        [date, region, service, "aws4_request"] if S3_SERVICES.contains(service) => {
            Some(hex(&sha256(&scoped_key(secret, [date, region, service])?, text)?))
        }
        _ => None,
    }
}

/// The key for one day, region and service.
fn scoped_key(secret: &str, scope: [&str; 3]) -> Option<Vec<u8>> {
    let first = format!("AWS4{secret}").into_bytes();
    let steps = scope.into_iter().chain(["aws4_request"]);
    steps.into_iter().try_fold(first, |key, part| sha256(&key, part.as_bytes()))
}

fn sha1(key: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).ok()?;
    mac.update(text);
    Some(mac.finalize().into_bytes().to_vec())
}

fn sha256(key: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text);
    Some(mac.finalize().into_bytes().to_vec())
}

fn same(expected: &str, given: &str) -> bool {
    bool::from(expected.as_bytes().ct_eq(given.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The parameters in order, in the one spelling that is signed.
fn query(params: &BTreeMap<String, String>) -> String {
    let pairs = params.iter().map(|(name, value)| format!("{}={}", quoted(name), quoted(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
