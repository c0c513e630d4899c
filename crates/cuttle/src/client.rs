//! A small client of the cloud's own public API, for the everyday verbs.

use anyhow::{Context, anyhow, bail};
use serde_json::{Value as Json, json};

use crate::data_dir::DataDir;

/// A client with a token.
pub struct Client {
    endpoint: String,
    token: String,
    agent: ureq::Agent,
    /// The project of the token.
    pub project_id: String,
}

/// Who to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// User `demo` in project `demo`.
    Demo,
    /// User `admin` in project `admin`.
    Admin,
}

impl Client {
    /// Logs in to the cloud of a directory.
    pub fn log_in(dir: &DataDir, who: As) -> anyhow::Result<Client> {
        let endpoint = dir.endpoint()?;
        let identity = dir.identity();
        let (user, password) = match who {
            As::Demo => ("demo", &identity.demo_password),
            As::Admin => ("admin", &identity.admin_password),
        };
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let domain = json!({"name": "Default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {"name": user, "password": password, "domain": domain}}},
            "scope": {"project": {"name": user, "domain": domain}},
        }});
        let mut answer = agent
            .post(format!("{endpoint}/identity/v3/auth/tokens"))
            .send_json(&body)
            .with_context(|| {
                format!(
                    "cannot reach the cloud at {endpoint}: is `cuttle up --data-dir {}` running?",
                    dir.root().display()
                )
            })?;
        let token = answer.headers().get("x-subject-token").and_then(|t| t.to_str().ok()).map(str::to_owned);
        let said: Json = answer.body_mut().read_json().unwrap_or_default();
        let token = token.ok_or_else(|| anyhow!("cannot log in as {user}: {}", fault(&said)))?;
        let project_id = said["token"]["project"]["id"].as_str().unwrap_or_default().to_owned();
        Ok(Client { endpoint, token, agent, project_id })
    }

    /// GET of a path like `/compute/v2.1/servers`.
    pub fn get(&self, path: &str) -> anyhow::Result<Json> {
        let request = self.agent.get(format!("{}{path}", self.endpoint));
        let answer =
            request.header("x-auth-token", &self.token).header("openstack-api-version", VERSIONS).call();
        read(&format!("GET {path}"), answer)
    }

    /// POST.
    pub fn post(&self, path: &str, body: &Json) -> anyhow::Result<Json> {
        let request = self.agent.post(format!("{}{path}", self.endpoint));
        let answer = request
            .header("x-auth-token", &self.token)
            .header("openstack-api-version", VERSIONS)
            .send_json(body);
        read(&format!("POST {path}"), answer)
    }

    /// PUT.
    pub fn put(&self, path: &str, body: &Json) -> anyhow::Result<Json> {
        let request = self.agent.put(format!("{}{path}", self.endpoint));
        let answer = request
            .header("x-auth-token", &self.token)
            .header("openstack-api-version", VERSIONS)
            .send_json(body);
        read(&format!("PUT {path}"), answer)
    }

    /// The one object of a list that has this name or id.
    pub fn find(&self, path: &str, key: &str, name: &str) -> anyhow::Result<Json> {
        let list = self.get(path)?;
        let all = list[key].as_array().cloned().unwrap_or_default();
        let matching: Vec<&Json> =
            all.iter().filter(|item| item["name"] == name || item["id"] == name).collect();
        match matching.as_slice() {
            [one] => Ok((*one).clone()),
            [] => bail!("there is no {} named {name}", key.trim_end_matches('s').replace('_', " ")),
            several => bail!("{} {} are named {name}: use an id", several.len(), key.replace('_', " ")),
        }
    }
}

const VERSIONS: &str = "compute 2.96";

fn read(what: &str, answer: Result<axum::http::Response<ureq::Body>, ureq::Error>) -> anyhow::Result<Json> {
    let mut answer = answer.with_context(|| format!("{what} failed"))?;
    let status = answer.status();
    let body: Json = answer.body_mut().read_json().unwrap_or_default();
    if status.is_success() { Ok(body) } else { bail!("{what}: {} ({})", fault(&body), status.as_u16()) }
}

/// The message in a fault of any service.
fn fault(body: &Json) -> String {
    let inner =
        body.as_object().and_then(|fields| fields.values().find(|value| value.get("message").is_some()));
    let message = inner.and_then(|inner| inner["message"].as_str()).or_else(|| body["message"].as_str());
    message.unwrap_or("no reason was given").to_owned()
}
