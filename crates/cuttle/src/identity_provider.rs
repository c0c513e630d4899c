//! The OpenID providers of the configuration file, and how they are asked over HTTP.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use identity::{Ask, Fetch, Oidc, OidcProvider};
use serde::Deserialize;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// How long a provider may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// A provider whose users may log in: an `[[identity_provider]]` of the file. Its issuer is a remote id of the identity
/// provider that the API knows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityProvider {
    /// What the provider calls itself, which is also the beginning of its address.
    issuer: String,
    /// What this cloud is called there.
    client_id: String,
    /// A file with this cloud's secret there, needed to ask about tokens that are no JWTs.
    client_secret_file: Option<PathBuf>,
    /// Whom tokens are meant for, if not the client id.
    #[serde(default)]
    audience: Vec<String>,
    /// Whether to ask for more about a user than a JWT says.
    #[serde(default)]
    userinfo: bool,
    /// A file with the certificates, in PEM, of who vouches for the provider, if not one of the well-known.
    ca_file: Option<PathBuf>,
}

/// The providers, ready to be asked.
pub fn trusted(providers: &[IdentityProvider]) -> anyhow::Result<Oidc> {
    let mut known = Vec::new();
    let mut agents = Vec::new();
    for provider in providers {
        let issuer = provider.issuer.clone();
        let told = || format!("the identity provider {issuer} of the configuration is not usable");
        anyhow::ensure!(
            issuer.starts_with("https://") || is_here(&issuer),
            "{}: give an issuer that begins with https://; http:// is for 127.0.0.1 and localhost alone",
            told()
        );
        let secret = provider.client_secret_file.as_ref().map(std::fs::read_to_string).transpose();
        let secret = secret.with_context(told)?.map(|text| text.trim_end().to_owned());
        agents.push((issuer.clone(), agent(provider).with_context(told)?));
        known.push(OidcProvider {
            issuer,
            client_id: provider.client_id.clone(),
            client_secret: secret,
            audiences: provider.audience.clone(),
            userinfo: provider.userinfo,
        });
    }
    Ok(Oidc::new(known, Agents(agents)))
}

/// Whether what is said in the clear stays on this machine.
fn is_here(url: &str) -> bool {
    let host = url.strip_prefix("http://").and_then(|rest| rest.split(['/', ':']).next());
    matches!(host, Some("127.0.0.1" | "localhost"))
}

fn agent(provider: &IdentityProvider) -> anyhow::Result<ureq::Agent> {
    let mut tls = TlsConfig::builder();
    if let Some(path) = &provider.ca_file {
        let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let certificates = parse_pem(&text).filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        });
        let certificates: Vec<_> = certificates.collect();
        anyhow::ensure!(!certificates.is_empty(), "{} holds no certificate", path.display());
        tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
    }
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .tls_config(tls.build())
        .build();
    Ok(config.into())
}

/// A client for each issuer.
struct Agents(Vec<(String, ureq::Agent)>);

impl Fetch for Agents {
    fn fetch(&self, ask: &Ask<'_>) -> Result<Vec<u8>, String> {
        let found = self.0.iter().find(|(issuer, _)| ask.url.starts_with(origin(issuer)));
        let (_, agent) = found.ok_or_else(|| format!("{} is no address of a provider", ask.url))?;
        let authorization = ask.authorization.as_deref();
        let answer = match &ask.form {
            None => with(agent.get(ask.url), authorization).call(),
            Some(form) => with(agent.post(ask.url), authorization).send_form(form.iter().copied()),
        };
        let mut answer = answer.map_err(|e| format!("{}: {e}", ask.url))?;
        if answer.status() != 200 {
            return Err(format!("{}: status {}", ask.url, answer.status()));
        }
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        body.map_err(|e| format!("{}: {e}", ask.url))
    }
}

/// Scheme, host and port of an issuer.
fn origin(issuer: &str) -> &str {
    let host = issuer.find("://").map_or(0, |at| at + 3);
    issuer[host..].find('/').map_or(issuer, |at| &issuer[..host + at])
}

fn with<B>(request: ureq::RequestBuilder<B>, authorization: Option<&str>) -> ureq::RequestBuilder<B> {
    let request = request.header("accept", "application/json");
    match authorization {
        Some(value) => request.header("authorization", value),
        None => request,
    }
}
