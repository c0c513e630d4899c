//! A service elsewhere, asked over HTTP/1.1 in the clear: as much of it as the tests need.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value as Json;

use crate::{Answer, Peer};

/// A service that answers at an address.
pub struct Remote {
    address: String,
}

impl Remote {
    /// The same as it was at first, made so by asking below its prefix.
    pub fn fresh(url: &str, prefix: &str) -> Remote {
        let remote = Remote::new(url);
        let answer = remote.send("", "POST", &format!("{prefix}/fresh"), &[], Vec::new());
        assert_eq!(answer.status, 204, "{answer:?}");
        remote
    }

    /// The service behind `http://HOST:PORT`, which is told that it is called `cloud.test`, as services in process are.
    pub fn new(url: &str) -> Remote {
        Remote { address: url.trim_start_matches("http://").trim_end_matches('/').to_owned() }
    }
}

impl Peer for Remote {
    fn send(&self, token: &str, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: cloud.test\r\nConnection: close\r\n");
        if !token.is_empty() {
            head.push_str(&format!("X-Auth-Token: {token}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            head.push_str("Content-Type: application/json\r\n");
        }
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
            head.push_str("Accept: application/json\r\n");
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        parse(&bytes)
    }
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let is_chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    assert!(!is_chunked, "an answer in chunks is not understood");
    let text = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
    let body = match serde_json::from_str(&text) {
        Ok(json) => json,
        Err(_) if text.is_empty() => Json::Null,
        Err(_) => Json::String(text),
    };
    Answer { status: status.expect("an answer has a status"), headers, body }
}
