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

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use crate::Api;

/// Replays a file against the API and compares; panics at the first difference, with both sides.
pub fn check_golden(api: &Api, path: impl AsRef<Path>) {
    let path = path.as_ref();
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
    let mut names = Names::default();
    let mut blessed = String::new();
    for exchange in text.split("\n### ").filter(|part| !part.trim().is_empty()) {
        let exchange = Exchange::parse(exchange.trim_start_matches("### "));
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

fn pretty(json: &Json) -> String {
    if json.is_null() { String::new() } else { serde_json::to_string_pretty(json).unwrap() }
}

struct Exchange {
    title: String,
    /// The request's lines as they stand in the file.
    request: String,
    status: u16,
    answer: Json,
}

impl Exchange {
    fn parse(text: &str) -> Exchange {
        let (title, rest) = text.split_once('\n').unwrap_or((text, ""));
        let (request, answer) = rest.split_once("\n\n").unwrap_or((rest, ""));
        let (status, body) = answer.trim().split_once('\n').unwrap_or((answer.trim(), ""));
        Exchange {
            title: title.trim().to_owned(),
            request: request.trim().to_owned(),
            status: status.trim().parse().unwrap_or(0),
            answer: serde_json::from_str(body).unwrap_or(Json::Null),
        }
    }

    fn send(&self, api: &Api, names: &Names) -> crate::Answer {
        let request = names.restore(&self.request);
        let mut lines = request.lines();
        let first = lines.next().unwrap_or_default();
        let (what, token) = first.split_once(" as ").unwrap_or((first, ""));
        let (method, path) = what.trim().split_once(' ').unwrap_or(("GET", what));
        let rest: Vec<&str> = lines.collect();
        let is_header = |line: &&&str| !line.trim_start().starts_with(['{', '[']) && line.contains(": ");
        let headers: Vec<(&str, &str)> =
            rest.iter().take_while(is_header).filter_map(|line| line.split_once(": ")).collect();
        let body = rest[headers.len()..].join("\n");
        api.send(token.trim(), method, path, &headers, body.into_bytes())
    }
}

/// What was named so far.
#[derive(Default)]
struct Names {
    by_value: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, usize>,
}

impl Names {
    fn restore(&self, text: &str) -> String {
        self.by_value.iter().fold(text.to_owned(), |text, (value, name)| text.replace(name, value))
    }

    fn normalise(&mut self, json: &Json) -> Json {
        match json {
            Json::String(text) => Json::String(self.named(text)),
            Json::Array(list) => Json::Array(list.iter().map(|item| self.normalise(item)).collect()),
            Json::Object(fields) => Json::Object(
                fields.iter().map(|(key, value)| (self.named(key), self.normalise(value))).collect(),
            ),
            Json::Null | Json::Bool(_) | Json::Number(_) => json.clone(),
        }
    }

    /// Replaces what is recognised anywhere in `text`.
    fn named(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let found = [("time", time_length(rest)), ("id", uuid_length(rest)), ("mac", mac_length(rest))];
            match found.iter().find(|(_, length)| *length > 0) {
                Some(("time", length)) => {
                    out.push_str("<time>");
                    rest = &rest[*length..];
                }
                Some((kind, length)) => {
                    out.push_str(&self.name(kind, &rest[..*length]));
                    rest = &rest[*length..];
                }
                None => {
                    out.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        out
    }

    fn name(&mut self, kind: &'static str, value: &str) -> String {
        if let Some(name) = self.by_value.get(value) {
            return name.clone();
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let name = format!("<{kind}-{count}>");
        self.by_value.insert(value.to_owned(), name.clone());
        name
    }
}

/// The length of the text at the start of `text` that looks like `pattern`: `x` is a hexadecimal digit, `9` a
/// decimal one, anything else itself; 0 if it does not.
fn matching(text: &str, pattern: &str) -> usize {
    let bytes = text.as_bytes();
    let fits = pattern.bytes().enumerate().all(|(n, wanted)| match (wanted, bytes.get(n)) {
        (b'x', Some(byte)) => byte.is_ascii_hexdigit(),
        (b'9', Some(byte)) => byte.is_ascii_digit(),
        (wanted, Some(byte)) => wanted == *byte,
        (_, None) => false,
    });
    if fits { pattern.len() } else { 0 }
}

fn uuid_length(text: &str) -> usize {
    let dashed = matching(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    if dashed > 0 { dashed } else { matching(text, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx") }
}

fn mac_length(text: &str) -> usize {
    matching(text, "xx:xx:xx:xx:xx:xx")
}

fn time_length(text: &str) -> usize {
    let seconds = matching(text, "9999-99-99T99:99:99");
    if seconds == 0 {
        return 0;
    }
    let fraction = matching(&text[seconds..], ".999999");
    let zone = usize::from(text[seconds + fraction..].starts_with('Z'));
    seconds + fraction + zone
}
