//! Objects behind an S3 endpoint: Ceph's object gateway, AWS, or another that speaks the same.
//! Requests are signed as <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html> says.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::Objects;
use crate::error::Doing;
use crate::{Error, Result};

/// How long a request may take in all.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(300);
/// How often one is made, should the endpoint not answer or answer that it cannot just now.
const ATTEMPTS: u32 = 4;
/// The pause after the first failure; it doubles with each.
const PAUSE: Duration = Duration::from_millis(250);
/// The largest object that is read.
const OBJECT_BYTES_MAX: u64 = 1 << 30;

/// Which endpoint, and as whom.
#[derive(Clone)]
pub struct S3Config {
    /// `http://127.0.0.1:9000` or `https://s3.example.org`.
    pub endpoint: String,
    /// `us-east-1`, where the endpoint knows no regions.
    pub region: String,
    /// The bucket, which is there.
    pub bucket: String,
    /// The access key.
    pub access_key: String,
    /// The secret key.
    pub secret_key: String,
}

/// Without the secret.
impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} as {}", self.endpoint, self.bucket, self.access_key)
    }
}

/// Keeps objects in a bucket.
pub struct S3 {
    config: S3Config,
    host: String,
    agent: ureq::Agent,
}

/// An answer that was understood.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl S3 {
    /// A client of the endpoint; nothing is asked of it yet.
    pub fn open(config: S3Config) -> Result<S3> {
        let (_, host) = config.endpoint.split_once("://").ok_or_else(|| Error::Tool {
            doing: format!("use the S3 endpoint {}", config.endpoint),
            message: "it must begin with http:// or https://".to_owned(),
        })?;
        let host = host.trim_end_matches('/').to_owned();
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(REQUEST_TIME_MAX))
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .into();
        Ok(S3 { config, host, agent })
    }

    fn path(&self, name: &str) -> String {
        encoded(&format!("/{}/{name}", self.config.bucket), true)
    }

    /// Asks until there is an answer that tells something about the request.
    fn ask(&self, method: &str, path: &str, query: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
        let doing = || format!("{method} {}{path}", self.config.endpoint);
        let mut pause = PAUSE;
        for attempt in 1.. {
            let answer = self.ask_once(method, path, query, body);
            let is_passing =
                answer.as_ref().map_or(true, |answer| answer.status >= 500 || answer.status == 429);
            if !is_passing || attempt == ATTEMPTS {
                return answer.doing(doing);
            }
            runtime::sleep_blocking(pause);
            pause *= 2;
        }
        Err(Error::Stopped)
    }

    fn ask_once(&self, method: &str, path: &str, query: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        let query = query_text(query);
        let at = timestamp();
        let digest = hex(&Sha256::digest(body));
        let authorization = self.authorization(&at, &[method, path, &query], &digest);
        let url = format!("{}{path}?{query}", self.config.endpoint.trim_end_matches('/'));
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(url)
            .header("host", &self.host)
            .header("x-amz-date", &at)
            .header("x-amz-content-sha256", &digest)
            .header("authorization", authorization)
            .body(body)
            .map_err(io::Error::other)?;
        let mut response = self.agent.run(request).map_err(io::Error::other)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        response.body_mut().as_reader().take(OBJECT_BYTES_MAX).read_to_end(&mut body)?;
        Ok(Answer { status, body })
    }

    /// The signature over method, path, query and the three headers that are always sent.
    fn authorization(&self, at: &str, request: &[&str; 3], digest: &str) -> String {
        let S3Config { region, access_key, secret_key, .. } = &self.config;
        let signed = "host;x-amz-content-sha256;x-amz-date";
        let headers = format!("host:{}\nx-amz-content-sha256:{digest}\nx-amz-date:{at}\n", self.host);
        let canonical = format!("{}\n{headers}\n{signed}\n{digest}", request.join("\n"));
        let day = &at[..8];
        let scope = format!("{day}/{region}/s3/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let first = format!("AWS4{secret_key}").into_bytes();
        let key = [day, region, "s3", "aws4_request"].iter().fold(first, |key, part| hmac(&key, part));
        let signature = hex(&hmac(&key, &text));
        format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={signed}, Signature={signature}"
        )
    }
}

impl Objects for S3 {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let answer = self.ask("PUT", &self.path(name), &[], bytes)?;
        expect(&answer, &[200], || format!("put {name}")).map(|_| ())
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let answer = self.ask("GET", &self.path(name), &[], &[])?;
        let status = expect(&answer, &[200, 404], || format!("read {name}"))?;
        Ok((status == 200).then_some(answer.body))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>> {
        let prefix = format!("{folder}/");
        let mut names: Vec<String> = Vec::new();
        loop {
            let after = names.last().cloned().unwrap_or_default();
            let mut query = vec![("list-type", "2"), ("prefix", prefix.as_str())];
            if !after.is_empty() {
                query.push(("start-after", after.as_str()));
            }
            let answer = self.ask("GET", &encoded(&format!("/{}", self.config.bucket), true), &query, &[])?;
            expect(&answer, &[200], || format!("list {folder}"))?;
            let text = String::from_utf8_lossy(&answer.body);
            let before = names.len();
            names.extend(elements(&text, "Key").map(str::to_owned));
            if names.len() == before || elements(&text, "IsTruncated").next() != Some("true") {
                names.sort();
                return Ok(names);
            }
        }
    }

    fn remove(&self, name: &str) -> Result<()> {
        let answer = self.ask("DELETE", &self.path(name), &[], &[])?;
        expect(&answer, &[200, 204, 404], || format!("remove {name}")).map(|_| ())
    }
}

fn expect(answer: &Answer, statuses: &[u16], doing: impl FnOnce() -> String) -> Result<u16> {
    if statuses.contains(&answer.status) {
        return Ok(answer.status);
    }
    let text = String::from_utf8_lossy(&answer.body);
    let words = elements(&text, "Message").chain(elements(&text, "Code")).next().unwrap_or_default();
    Err(Error::Tool {
        doing: doing(),
        message: format!("the S3 endpoint answered {}: {words}", answer.status),
    })
}

/// The texts of all elements of this name. Names of our objects have no character that XML escapes.
fn elements<'t>(xml: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&open)?;
        let (text, after) = after.split_once(&close)?;
        rest = after;
        Some(text)
    })
}

/// A query, ordered as signatures want it.
fn query_text(query: &[(&str, &str)]) -> String {
    let mut pairs: Vec<String> =
        query.iter().map(|(key, value)| format!("{key}={}", encoded(value, false))).collect();
    pairs.sort();
    pairs.join("&")
}

/// Percent-encoding as signatures want it: all but the unreserved characters of RFC 3986.
fn encoded(text: &str, keep_slashes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            b'/' if keep_slashes => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// `20261127T010203Z`.
fn timestamp() -> String {
    runtime::now().iso_z().chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac.chain_update(text).finalize().into_bytes().to_vec(),
        // HMAC takes keys of any length.
        Err(_) => Vec::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
