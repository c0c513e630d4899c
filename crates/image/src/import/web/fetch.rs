//! Fetching: each hop is checked, resolved and pinned anew.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use super::address::is_public;
use super::filter::{ImportFiltering, Target};

/// How many times an answer may send elsewhere.
const REDIRECTS_MAX: usize = 5;
/// How many bytes of headers are read.
const HEAD_BYTES_MAX: u64 = 64 << 10;
/// How many headers blocks one answer may have: those of status 100 come before the real one.
const HEADS_MAX: usize = 4;
/// A download takes no longer than this.
const SECONDS_MAX: &str = "21600";
/// And says something at least this often.
const SILENCE_SECONDS_MAX: &str = "60";

/// Why something cannot be fetched.
#[derive(Debug)]
pub(crate) struct Unfetched(String);

impl fmt::Display for Unfetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn unfetched<T>(why: impl Into<String>) -> Result<T, Unfetched> {
    Err(Unfetched(why.into()))
}

/// A body on its way. It is whole only once [`Body::finish`] says so.
#[derive(Debug)]
pub(crate) struct Body {
    curl: Curl,
    bytes: BufReader<ChildStdout>,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

impl Body {
    /// Whether all of it has come.
    pub(crate) fn finish(mut self) -> Result<(), Unfetched> {
        self.curl.finish()
    }
}

/// Begins to fetch what is at an address.
pub(crate) fn fetch(filtering: &ImportFiltering, uri: &str) -> Result<Body, Unfetched> {
    let mut uri = uri.to_owned();
    for _ in 0..=REDIRECTS_MAX {
        let Some(target) = filtering.target(&uri) else {
            return unfetched(format!("URI for web-download does not pass filtering: {uri}"));
        };
        let address = resolve(filtering, &target)?;
        let (mut curl, mut bytes) = Curl::start(&target, address)?;
        let head = read_head(&mut bytes);
        let Some(head) = head.filter(|head| head.status > 0) else {
            curl.finish()?;
            return unfetched(format!("{uri} did not answer in HTTP"));
        };
        match (head.status, head.location) {
            (200, _) => return Ok(Body { curl, bytes }),
            (301 | 302 | 303 | 307 | 308, Some(location)) => uri = joined(&target, &location),
            (status, _) => return unfetched(format!("{uri} answered with status {status}")),
        }
    }
    unfetched(format!("More than {REDIRECTS_MAX} redirects, the last to {uri}"))
}

/// An address of the host that may be connected to. If only one of them may not, none is: such a name is set up to lead
/// somewhere else.
fn resolve(filtering: &ImportFiltering, target: &Target) -> Result<SocketAddr, Unfetched> {
    let found: Vec<SocketAddr> = match target.host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, target.port)],
        Err(_) => match (target.host.as_str(), target.port).to_socket_addrs() {
            Ok(found) => found.collect(),
            Err(_) => return unfetched(format!("The host {} cannot be found", target.host)),
        },
    };
    let may = |address: &SocketAddr| {
        let ip = address.ip().to_canonical();
        is_public(ip) || filtering.allowed_networks.iter().any(|network| network.contains(&ip))
    };
    match (found.first(), found.iter().all(may)) {
        (Some(first), true) => Ok(*first),
        (Some(_), false) => unfetched(format!(
            "The host {} is not on the public internet; an operator can allow its network",
            target.host
        )),
        (None, _) => unfetched(format!("The host {} has no address", target.host)),
    }
}

/// Where a `Location` leads.
fn joined(target: &Target, location: &str) -> String {
    let host = if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
    let origin = format!("{}://{host}:{}", target.scheme, target.port);
    if location.contains("://") {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{}://{rest}", target.scheme)
    } else if location.starts_with('/') {
        format!("{origin}{location}")
    } else {
        let path = target.uri.splitn(4, '/').nth(3).unwrap_or_default();
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let folder = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        format!("{origin}/{folder}{location}")
    }
}

/// What is read of the lines before a body.
#[derive(Debug, Default)]
struct Head {
    status: u16,
    location: Option<String>,
}

/// Reads the headers of the answer that counts.
fn read_head(bytes: &mut BufReader<ChildStdout>) -> Option<Head> {
    let mut limited = bytes.by_ref().take(HEAD_BYTES_MAX);
    for _ in 0..HEADS_MAX {
        let mut head = Head::default();
        loop {
            let mut line = Vec::new();
            limited.read_until(b'\n', &mut line).ok()?;
            let line = String::from_utf8_lossy(&line).into_owned();
            if !line.ends_with('\n') {
                return None;
            }
            let line = line.trim();
            if line.is_empty() {
                break;
            }
            if head.status == 0 {
                head.status = line.strip_prefix("HTTP/")?.split_whitespace().nth(1)?.parse().ok()?;
            } else if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("location")
            {
                head.location = Some(value.trim().to_owned());
            }
        }
        if head.status >= 200 {
            return Some(head);
        }
    }
    None
}

/// The child, ended when this is dropped.
#[derive(Debug)]
struct Curl {
    child: Child,
    complaints: Option<ChildStderr>,
}

impl Curl {
    /// Starts to fetch from an address, whatever the host's name would resolve to by now.
    fn start(target: &Target, address: SocketAddr) -> Result<(Curl, BufReader<ChildStdout>), Unfetched> {
        let pinned = format!("::{address}");
        let child = Command::new("curl")
            .args(["-q", "--silent", "--show-error", "--include", "--globoff", "--path-as-is", "--http1.1"])
            .args([
                "--noproxy",
                "*",
                "--proto",
                "=http,https",
                "--max-redirs",
                "0",
                "--connect-timeout",
                "10",
            ])
            .args(["--max-time", SECONDS_MAX, "--speed-limit", "1", "--speed-time", SILENCE_SECONDS_MAX])
            .args(["--user-agent", "cuttle", "--connect-to", &pinned, "--url", &target.uri])
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match child {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                tracing::error!(target: "image::import", "curl is not installed; install it with: apt-get install curl");
                return unfetched("web-download cannot be used: a program that it needs is not installed");
            }
            Err(e) => return unfetched(format!("curl cannot be started: {e}")),
            Ok(child) => child,
        };
        let (stdout, complaints) = (child.stdout.take(), child.stderr.take());
        let curl = Curl { child, complaints };
        match stdout {
            Some(stdout) => Ok((curl, BufReader::new(stdout))),
            None => unfetched("curl has no output"),
        }
    }

    /// Waits for its end, and whether that was a good one. Its output has been read.
    fn finish(&mut self) -> Result<(), Unfetched> {
        let mut said = String::new();
        if let Some(complaints) = self.complaints.take() {
            // It says a line at most.
            let _ = complaints.take(4096).read_to_string(&mut said);
        }
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => unfetched(format!("The download broke off: {}", said.trim())),
            Err(e) => unfetched(format!("curl cannot be waited for: {e}")),
        }
    }
}

impl Drop for Curl {
    fn drop(&mut self) {
        // Of one that has ended nothing is left to kill; either way it is waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
