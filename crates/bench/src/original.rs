//! Original services that `xtask bench` has started, and identity services, the original and ours, asked alike.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};

use crate::http::{Connection, request};

/// An identity service and its administrator's token.
pub struct Identity {
    /// Where it listens.
    pub address: SocketAddr,
    /// A token of `admin` in its project.
    pub token: String,
    connection: Connection,
}

/// An original that `xtask bench` has started.
pub struct Original {
    /// Where it listens.
    pub address: SocketAddr,
    /// The first of its processes, whose descendants serve too.
    pub pid: u32,
    /// Where its data is.
    pub folder: PathBuf,
    /// What it is called, its version included.
    pub name: String,
}

impl Original {
    /// The one of this name, of which a variable of `xtask bench` tells; or why there is none.
    pub fn find(name: &str) -> Result<std::result::Result<Original, String>> {
        let name = name.to_uppercase();
        let Ok(told) = std::env::var(format!("CUTTLE_{name}")) else {
            let why = std::env::var(format!("CUTTLE_NO_{name}"));
            return Ok(Err(why.unwrap_or_else(|_| "there is none; ./x bench starts one".to_owned())));
        };
        let read = || {
            let mut lines = told.lines();
            let address = lines.next()?.strip_prefix("http://")?.parse().ok()?;
            let (pid, folder) = (lines.next()?.parse().ok()?, lines.next()?.into());
            Some(Original { address, pid, folder, name: lines.next()?.to_owned() })
        };
        read().map(Ok).with_context(|| format!("CUTTLE_{name} tells of no original: {told}"))
    }
}

impl Identity {
    /// Logs in as `admin`.
    pub fn log_in(address: SocketAddr, password: &str) -> Result<Identity> {
        let mut connection = Connection::open(address)?;
        let answer = connection.ask(&login("admin", password, Some("admin")))?;
        let token = answer.subject_token.context("the administrator cannot log in")?;
        Ok(Identity { address, token, connection })
    }

    /// A check of the administrator's token with itself, ready to be sent.
    pub fn validation(&self) -> Vec<u8> {
        let headers = [("X-Auth-Token", self.token.as_str()), ("X-Subject-Token", self.token.as_str())];
        request("GET", "/identity/v3/auth/tokens", &headers, "")
    }

    /// A list, ready to be asked for.
    pub fn list(&self, path: &str) -> Vec<u8> {
        request("GET", path, &[("X-Auth-Token", self.token.as_str())], "")
    }

    /// Makes something and returns its id.
    pub fn make(&mut self, collection: &str, key: &str, body: Json) -> Result<String> {
        let headers = [("X-Auth-Token", self.token.as_str())];
        let path = format!("/identity/v3/{collection}");
        let answer =
            self.connection.ask(&request("POST", &path, &headers, &json!({key: body}).to_string()))?;
        let body = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status == 201, "POST {path}: {} {body}", answer.status);
        let made: Json = serde_json::from_str(&body)?;
        made[key]["id"]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("{collection} answers without an id"))
    }
}

/// A login by password, ready to be sent: in a project, or unscoped.
pub fn login(user: &str, password: &str, project: Option<&str>) -> Vec<u8> {
    let domain = json!({"id": "default"});
    let user = json!({"name": user, "domain": domain, "password": password});
    let mut auth = json!({"identity": {"methods": ["password"], "password": {"user": user}}});
    if let Some(project) = project {
        auth["scope"] = json!({"project": {"name": project, "domain": domain}});
    }
    request("POST", "/identity/v3/auth/tokens", &[], &json!({"auth": auth}).to_string())
}
