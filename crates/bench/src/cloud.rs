//! A cloud to be measured: `cuttle up` as a process with a data directory of its own, ended and removed at the end.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::ceph::Ceph;
use crate::http::{Answer, Connection, request};
use crate::machine;

/// A cloud that runs.
pub struct Cloud {
    dir: TempDir,
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From its start to its line `ready`.
    pub ready_after: Duration,
}

/// Whether its node is real.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// Simulated.
    Simulated,
    /// QEMU and namespaces.
    Real,
}

impl Cloud {
    /// Starts one, on this processor if one is given, and waits until it is ready.
    pub fn start(node: Node, cpu: Option<usize>) -> Result<Cloud> {
        Cloud::start_on(node, cpu, None)
    }

    /// The same, with its images, disks and volumes in a Ceph cluster if one is given.
    pub fn start_on(node: Node, cpu: Option<usize>, ceph: Option<&Ceph>) -> Result<Cloud> {
        let dir = tempfile::Builder::new().prefix("cuttle-bench-").tempdir_in(machine::scratch());
        let dir = dir.context("cannot make a data directory")?;
        let began = runtime::monotonic();
        let mut cloud = Cloud {
            child: spawn(dir.path(), node, cpu, ceph)?,
            dir,
            address: ([127, 0, 0, 1], 0).into(),
            ready_after: Duration::ZERO,
        };
        cloud.await_ready(began)?;
        Ok(cloud)
    }

    /// Ends it, does something to its data, and starts it again.
    pub fn restart(&mut self, node: Node, between: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        self.end();
        between(self.dir.path())?;
        let began = runtime::monotonic();
        self.child = spawn(self.dir.path(), node, None, None)?;
        self.await_ready(began)
    }

    fn await_ready(&mut self, began: Instant) -> Result<()> {
        let mut line = String::new();
        let stdout = self.child.stdout.take().context("cuttle has no output")?;
        BufReader::new(stdout).read_line(&mut line).context("cannot read what cuttle says")?;
        self.ready_after = began.elapsed();
        let address = line.trim().strip_prefix("ready http://").and_then(|address| address.parse().ok());
        let Some(address) = address else {
            let log = std::fs::read_to_string(self.dir.path().join("up.log")).unwrap_or_default();
            bail!("cuttle did not get ready:\n{log}");
        };
        self.address = address;
        Ok(())
    }

    fn end(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }

    /// The process of the control plane.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its data directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its six hexadecimal digits.
    pub fn id(&self) -> Result<String> {
        self.secret("id")
    }

    fn secret(&self, key: &str) -> Result<String> {
        let text = std::fs::read(self.dir.path().join("cloud.json")).context("cannot read the cloud's id")?;
        let known: Json = serde_json::from_slice(&text)?;
        known[key].as_str().map(str::to_owned).with_context(|| format!("the cloud has no {key}"))
    }

    /// The password of `admin` or `demo`.
    pub fn password(&self, user: &str) -> Result<String> {
        self.secret(&format!("{user}_password"))
    }

    /// Logs in, as `admin` or `demo`, to the project of the same name.
    pub fn log_in(&self, user: &str) -> Result<Session> {
        let password = self.password(user)?;
        let domain = json!({"name": "Default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {"name": user, "password": password, "domain": domain}}},
            "scope": {"project": {"name": user, "domain": domain}},
        }});
        let mut connection = Connection::open(self.address)?;
        let said = connection.ask(&request("POST", "/identity/v3/auth/tokens", &[], &body.to_string()))?;
        let token = said.subject_token.clone();
        let token = token.with_context(|| format!("cannot log in as {user}: {}", text(&said)))?;
        let said: Json = serde_json::from_slice(&said.body)?;
        let project = said["token"]["project"]["id"].as_str().unwrap_or_default().to_owned();
        Ok(Session { connection, token, project })
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.end();
        if let Ok(program) = program() {
            let mut down = Command::new(program);
            down.args(["down", "--purge", "--data-dir"]).arg(self.dir.path());
            let _ = down.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}

/// Starts the process. In a session of its own, for sessions share the processors and this one's has the load generator.
fn spawn(dir: &Path, node: Node, cpu: Option<usize>, ceph: Option<&Ceph>) -> Result<Child> {
    let mut command = Command::new("setsid");
    command.arg(program()?).args(["up", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir);
    if node == Node::Simulated {
        command.arg("--sim");
    }
    if let Some(ceph) = ceph {
        let config = dir.join("bench.toml");
        std::fs::write(&config, ceph.config())?;
        command.arg("--config").arg(config).envs(ceph.variables());
    }
    let log = std::fs::File::create(dir.join("up.log"))?;
    command.env("RUST_LOG", "info").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let _pinned = cpu.map(machine::pin).transpose()?;
    command.spawn().context("cannot start cuttle")
}

/// Someone who is logged in.
pub struct Session {
    connection: Connection,
    /// The token.
    pub token: String,
    /// The token's project.
    pub project: String,
}

impl Session {
    /// A request with the token, ready to be sent.
    pub fn request(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let version = ("OpenStack-API-Version", "compute 2.96");
        request(method, path, &[("X-Auth-Token", &self.token), version], body)
    }

    /// Asks, and refuses anything but success.
    pub fn call(&mut self, method: &str, path: &str, body: &Json) -> Result<Json> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.connection.ask(&self.request(method, path, &body))?;
        ensure!(answer.status < 300, "{method} {path}: {} {}", answer.status, text(&answer));
        if answer.body.is_empty() {
            return Ok(Json::Null);
        }
        serde_json::from_slice(&answer.body).with_context(|| format!("{method} {path} answers no JSON"))
    }

    /// Sends a request made before and waits for its answer, whatever it is.
    pub fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.connection.ask(request)
    }

    /// Sends bytes that are no JSON.
    pub fn upload(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let length = bytes.len().to_string();
        let headers = [
            ("X-Auth-Token", self.token.as_str()),
            ("Content-Type", "application/octet-stream"),
            ("Content-Length", &length),
        ];
        let mut message = request("PUT", path, &headers, "");
        message.extend(bytes);
        let answer = self.connection.ask(&message)?;
        ensure!(answer.status < 300, "PUT {path}: {} {}", answer.status, text(&answer));
        Ok(())
    }

    /// Sends a file's bytes.
    pub fn upload_file(&mut self, path: &str, file: &std::fs::File) -> Result<()> {
        let length = file.metadata()?.len();
        let headers = [
            ("X-Auth-Token", self.token.as_str()),
            ("Content-Type", "application/octet-stream"),
            ("Content-Length", &length.to_string()),
        ];
        self.connection.send(&request("PUT", path, &headers, ""))?;
        self.connection.send_all(file, length)?;
        let mut answer = Answer::default();
        self.connection.receive(&mut answer)?;
        ensure!(answer.status < 300, "PUT {path}: {} {}", answer.status, text(&answer));
        Ok(())
    }

    /// Reads this many bytes, which must be all there are.
    pub fn download(&mut self, path: &str, length: u64) -> Result<()> {
        self.connection.send(&request("GET", path, &[("X-Auth-Token", &self.token)], ""))?;
        self.connection.receive_and_drop(length)
    }

    /// Asks for something.
    pub fn get(&mut self, path: &str) -> Result<Json> {
        self.call("GET", path, &Json::Null)
    }
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// The program that is measured: it was built beside this one.
pub fn program() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program")?;
    let path = own.with_file_name("cuttle");
    ensure!(path.exists(), "{} is not there: cargo build --release -p cuttle", path.display());
    Ok(path)
}
