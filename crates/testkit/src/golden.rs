//! Golden conversations: requests with the answers that were reviewed once.
//!
//! A file is a sequence of exchanges. What differs from run to run becomes a name: the first new UUID `<id-1>`, a time
//! `<time>`, a MAC address `<mac-1>`; a later request may use such a name. `BLESS=1` writes the answers anew.
//!
//! ```text
//! ### a port gets an address
//! POST /network/v2.0/ports as member@alpha
//! OpenStack-API-Version: compute 2.79
//! {"port": {"network_id": "<id-1>"}}
//!
//! 201
//! {"port": {…}}
//! ```

use std::path::Path;

use serde_json::Value as Json;

use crate::Api;
use crate::names::Names;

/// Replays a file against the API and compares; panics at the first difference, with both sides.
pub fn check_golden(api: &Api, path: impl AsRef<Path>) {
    let path = path.as_ref();
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
    let mut names = Names::default();
    let mut blessed = String::new();
    for exchange in Exchange::all(&text) {
        let answer = exchange.send(api, &names);
        let (status, body) = (answer.status, names.normalise(&answer.body));
        api.settle();
        let bless = std::env::var_os("BLESS").is_some();
        if !bless {
            assert_eq!(
                (status, pretty(&body)),
                (exchange.status, pretty(&exchange.answer)),
                "{}: {}",
                path.display(),
                exchange.title
            );
        }
        blessed.push_str(&format!(
            "### {}\n{}\n\n{status}\n{}\n\n",
            exchange.title,
            exchange.request,
            pretty(&body)
        ));
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, format!("{}\n", blessed.trim_end())).unwrap();
    }
}

pub(crate) fn pretty(json: &Json) -> String {
    if json.is_null() { String::new() } else { serde_json::to_string_pretty(json).unwrap() }
}

pub(crate) struct Exchange {
    pub(crate) title: String,
    /// The request's lines as they stand in the file.
    pub(crate) request: String,
    pub(crate) status: u16,
    /// Those of the answer's headers that matter.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) answer: Json,
}

/// A request's parts, names replaced by what they stand for.
pub(crate) struct Sent {
    /// Who asks.
    pub(crate) caller: String,
    /// What the thing that the answer shows is called from then on.
    pub(crate) label: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Exchange {
    /// All of a file.
    pub(crate) fn all(text: &str) -> Vec<Exchange> {
        let parts = text.split("\n### ").filter(|part| !part.trim().is_empty());
        parts.map(|part| Exchange::parse(part.trim_start_matches("### "))).collect()
    }

    fn parse(text: &str) -> Exchange {
        let (title, rest) = text.split_once('\n').unwrap_or((text, ""));
        let (request, answer) = rest.split_once("\n\n").unwrap_or((rest, ""));
        let (status, rest) = answer.trim().split_once('\n').unwrap_or((answer.trim(), ""));
        let (headers, body) = headers_and_body(rest);
        Exchange {
            title: title.trim().to_owned(),
            request: request.trim().to_owned(),
            status: status.trim().parse().unwrap_or(0),
            headers,
            answer: serde_json::from_str(&body).unwrap_or(Json::Null),
        }
    }

    /// The request, to be sent.
    pub(crate) fn sent(&self, names: &Names) -> Sent {
        let (first, rest) = self.request.split_once('\n').unwrap_or((&self.request, ""));
        let (first, label) = first.split_once(" -> ").unwrap_or((first, ""));
        let (what, caller) = first.split_once(" as ").unwrap_or((first, ""));
        let (method, path) = what.trim().split_once(' ').unwrap_or(("GET", what));
        let (headers, body) = headers_and_body(&names.restore(rest));
        Sent {
            caller: caller.trim().to_owned(),
            label: label.trim().to_owned(),
            method: method.to_owned(),
            path: names.restore(path),
            headers,
            body: body.into_bytes(),
        }
    }

    fn send(&self, api: &Api, names: &Names) -> crate::Answer {
        let sent = self.sent(names);
        let headers: Vec<(&str, &str)> =
            sent.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        api.send(&sent.caller, &sent.method, &sent.path, &headers, sent.body)
    }
}

/// Lines of a header each, and what follows them.
fn headers_and_body(text: &str) -> (Vec<(String, String)>, String) {
    let lines: Vec<&str> = text.lines().collect();
    let is_header = |line: &&&str| !line.trim_start().starts_with(['{', '[', '"']) && line.contains(": ");
    let headers: Vec<(String, String)> = lines
        .iter()
        .take_while(is_header)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let body = lines[headers.len()..].join("\n");
    (headers, body)
}
