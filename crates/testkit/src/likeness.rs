//! Conversations recorded with the original and held against a service of ours.
//!
//! A folder has files of golden conversations (see [`crate::check_golden`]). Two things are added to their language:
//! `-> NAME` behind a request names what the answer made (its token, or else the id of the object it shows, or of the
//! first in the list), so that later requests may say `<NAME>`, or `as NAME` if it is a token; and the headers that
//! matter stand below the status. Lists are sorted, because the original leaves their order to its database.
//!
//! Not compared are the words of a 400: the original shows what its schema validator says, the refused value included.
//!
//! Beside them are `on-purpose.txt`, which lists exactly the differences that are meant, below the reason for them (`*`
//! stands for anything), and `not-yet.txt`, which lists the exchanges that may differ in other ways still: `BLESS=1`
//! writes it anew, `SHOW=1` shows what they differ in. `packaged.txt`, of the form of the first, lists exactly what another
//! edition of the original, the one in a distribution's packages, answers in another way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;

use crate::golden::{Exchange, pretty};
use crate::names::Names;
use crate::pairs::Pairs;
use crate::{Answer, Api, Remote};

/// What clients act on.
const HEADERS: [&str; 5] =
    ["location", "openstack-auth-receipt", "vary", "www-authenticate", "x-subject-token"];

/// Somebody who answers requests.
pub trait Peer {
    /// Makes a request.
    fn send(&self, token: &str, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer;
}

impl Peer for Api {
    fn send(&self, token: &str, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        Api::send(self, token, method, path, headers, body)
    }
}

/// A folder of conversations.
pub struct Conversations {
    folder: PathBuf,
    headers: Vec<&'static str>,
}

/// A request as it was sent, with what its names stood for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The token; empty for none.
    pub token: String,
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Other headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer without what differs from run to run.
struct Plain {
    status: u16,
    headers: Vec<(String, String)>,
    body: Json,
}

impl Conversations {
    /// The conversations in a folder.
    pub fn new(folder: impl AsRef<Path>) -> Conversations {
        Conversations { folder: folder.as_ref().to_path_buf(), headers: HEADERS.to_vec() }
    }

    /// The same, but that this header does not matter.
    #[must_use]
    pub fn without(mut self, header: &str) -> Conversations {
        self.headers.retain(|known| *known != header);
        self
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|kind| kind == "http")).collect();
        files.sort();
        files
    }

    /// The same, with this header too.
    #[must_use]
    pub fn with(mut self, header: &'static str) -> Conversations {
        self.headers.push(header);
        self
    }

    /// How many requests there are.
    pub fn count(&self) -> usize {
        self.files().iter().map(|path| Exchange::all(&read(path)).len()).sum()
    }

    /// Sends a file's requests, the last `left_out` of them not, and gives back all, to be varied. Files are counted from 0
    /// round and round.
    pub fn ask(&self, peer: &dyn Peer, file: usize, left_out: usize) -> Vec<Asked> {
        let files = self.files();
        let exchanges = Exchange::all(&read(&files[file % files.len()]));
        let (mut names, mut asked) = (Names::default(), Vec::new());
        for (n, exchange) in exchanges.iter().enumerate() {
            let sent = exchange.sent(&names);
            asked.push(Asked {
                token: names.labelled(&sent.caller).unwrap_or(&sent.caller).to_owned(),
                method: sent.method,
                path: sent.path,
                headers: sent.headers,
                body: sent.body,
            });
            if n + left_out < exchanges.len() {
                converse(peer, exchange, &mut names, &self.headers);
            }
        }
        asked
    }

    /// Sends each file's requests to an original and writes down what it answers.
    pub fn record(&self, fresh: impl Fn() -> Remote) {
        for path in self.files() {
            let original = fresh();
            let mut names = Names::default();
            let mut recorded = String::new();
            for exchange in Exchange::all(&read(&path)) {
                if exchange.request.starts_with("POST") && exchange.request.contains("/auth/tokens") {
                    // The original revokes by the second: a token of the same second would go too.
                    runtime::sleep_blocking(Duration::from_millis(1100));
                }
                let plain = converse(&original, &exchange, &mut names, &self.headers);
                let headers: String =
                    plain.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
                recorded.push_str(&format!(
                    "### {}\n{}\n\n{}\n{headers}{}\n\n",
                    exchange.title,
                    exchange.request,
                    plain.status,
                    pretty(&plain.body)
                ));
            }
            std::fs::write(path, format!("{}\n", recorded.trim_end())).unwrap();
        }
    }

    /// Sends each file's requests to a fresh service of ours; panics at differences that are not listed, and at meant
    /// ones that are not there.
    pub fn check<P: Peer>(&self, fresh: impl Fn() -> P) {
        let mut found = self.found(fresh);
        self.explain(&mut found, "on-purpose.txt");
        let not_yet = self.folder.join("not-yet.txt");
        if std::env::var_os("BLESS").is_some() {
            let left: BTreeSet<&str> = found.keys().map(|key| exchange_of(key)).collect();
            let text: String = left.iter().map(|exchange| format!("{exchange}\n")).collect();
            std::fs::write(&not_yet, text).unwrap();
        }
        let not_yet = listed(&not_yet);
        let show = std::env::var_os("SHOW").is_some();
        found.retain(|key, _| show || !not_yet.contains(exchange_of(key)));
        none_left(&found);
    }

    /// Sends each file's requests to the edition of the original that is in packages, and tells how many of its answers
    /// are alike; panics at differences that are not listed, and at listed ones that are not there.
    pub fn check_packaged<P: Peer>(&self, fresh: impl Fn() -> P) {
        let mut found = self.found(fresh);
        let differ: BTreeSet<&str> = found.keys().map(|key| exchange_of(key)).collect();
        let (asked, differ) = (self.count(), differ.len());
        println!("asked {asked}: {} answered alike, {differ} differ", asked - differ);
        self.explain(&mut found, "packaged.txt");
        none_left(&found);
    }

    /// What a peer answers in another way: `FILE: TITLE: WHERE`, and both sides.
    fn found<P: Peer>(&self, fresh: impl Fn() -> P) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for path in self.files() {
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            let (ours, mut names, mut pairs) = (fresh(), Names::default(), Pairs::default());
            let mut titles = BTreeSet::new();
            for exchange in Exchange::all(&read(&path)) {
                assert!(titles.insert(exchange.title.clone()), "{file}: {} twice", exchange.title);
                let ours = converse(&ours, &exchange, &mut names, &self.headers);
                for (place, both) in differences(&exchange, &ours, &mut pairs) {
                    found.insert(format!("{file}: {}: {place}", exchange.title), both);
                }
            }
        }
        found
    }

    /// Leaves out what a list explains; panics if that explains what is not there.
    fn explain(&self, found: &mut BTreeMap<String, String>, list: &str) {
        let lines = listed(&self.folder.join(list));
        let is_found = |line: &&String| found.keys().any(|key| is_like(line, key));
        let gone: Vec<&String> = lines.iter().filter(|line| !is_found(line)).collect();
        assert!(gone.is_empty(), "these are listed and do not differ: {gone:#?}");
        found.retain(|key, _| !lines.iter().any(|line| is_like(line, key)));
    }
}

fn none_left(found: &BTreeMap<String, String>) {
    let new: Vec<String> = found.iter().map(|(key, both)| format!("{key}\n{both}")).collect();
    assert!(new.is_empty(), "{} differences:\n{}", new.len(), new.join("\n"));
}

/// Whether a line of such a list, in which `*` stands for anything, says this.
fn is_like(line: &str, key: &str) -> bool {
    let Some((start, rest)) = line.split_once('*') else { return line == key };
    let Some(key) = key.strip_prefix(start) else { return false };
    key.char_indices().map(|(at, _)| at).chain([key.len()]).any(|at| is_like(rest, &key[at..]))
}

/// The exchange, file and title, that a difference is in.
fn exchange_of(key: &str) -> &str {
    key.rsplit_once(": ").map_or(key, |(exchange, _)| exchange)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()))
}

/// The entries of a list of differences: its lines, but for comments and blank ones.
fn listed(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

fn converse(peer: &dyn Peer, exchange: &Exchange, names: &mut Names, wanted: &[&str]) -> Plain {
    made_up(&exchange.request).for_each(|id| names.keep(id));
    let sent = exchange.sent(names);
    let token = names.labelled(&sent.caller).unwrap_or(&sent.caller).to_owned();
    let headers: Vec<(&str, &str)> =
        sent.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    // A name that stands for nothing, because nothing was made, is no reason to stop.
    let path = sent.path.replace('<', "%3C").replace('>', "%3E");
    let answer = peer.send(&token, &sent.method, &path, &headers, sent.body);
    if !sent.label.is_empty()
        && let Some(value) = subject(&answer)
    {
        names.label(value, &sent.label);
    }
    let mut headers: Vec<(String, String)> = wanted
        .iter()
        .filter_map(|name| answer.header(name).map(|value| ((*name).to_owned(), header(name, value, names))))
        .collect();
    headers.sort();
    let body = opaque(&sorted(&said(&answer.body, sent.path.contains("/schemas/")), names), names);
    Plain { status: answer.status, headers, body: names.normalise(&body) }
}

/// The ids of one digit that a conversation has made up: they are the same in every run.
fn made_up(request: &str) -> impl Iterator<Item = &str> {
    let words = request.split(|c: char| !c.is_ascii_hexdigit() && c != '-');
    words.filter(|word| {
        let mut digits = word.chars().filter(|c| *c != '-');
        let first = digits.next();
        word.len() == 36 && digits.all(|digit| Some(digit) == first)
    })
}

/// The body without what the original's framework puts behind a message for browsers, and without what a schema tells
/// people.
fn said(body: &Json, is_schema: bool) -> Json {
    let mut body = body.clone();
    if let Some(Json::String(message)) = body.get_mut("message")
        && let Some(end) = message.find("<br />")
    {
        message.truncate(message[..end].trim_end().len());
    }
    if is_schema {
        undescribed(&mut body);
    }
    body
}

fn undescribed(json: &mut Json) {
    match json {
        Json::Object(fields) => {
            fields.retain(|key, value| key != "description" || !value.is_string());
            fields.values_mut().for_each(undescribed);
        }
        Json::Array(items) => items.iter_mut().for_each(undescribed),
        _ => {}
    }
}

/// What `-> NAME` names.
fn subject(answer: &Answer) -> Option<&str> {
    if let Some(token) = answer.header("x-subject-token").or(answer.header("openstack-auth-receipt")) {
        return Some(token);
    }
    if let Some(id) = answer.body["id"].as_str() {
        return Some(id);
    }
    let shown = answer.body.as_object()?.iter().find(|(key, _)| *key != "links").map(|(_, value)| value)?;
    let shown = shown.as_array().map_or(Some(shown), |list| list.first())?;
    shown["id"].as_str().or(shown["access"].as_str())
}

fn header(name: &str, value: &str, names: &mut Names) -> String {
    match name {
        "x-subject-token" => names.name("token", value),
        "openstack-auth-receipt" => names.name("receipt", value),
        _ => names.named(value),
    }
}

/// Names what can be known only by its key.
fn opaque(json: &Json, names: &mut Names) -> Json {
    match json {
        Json::Object(fields) => {
            let named = fields.iter().map(|(key, value)| {
                let value = match (key.as_str(), value) {
                    ("audit_ids", Json::Array(list)) => {
                        let ids = list.iter().filter_map(Json::as_str);
                        Json::Array(ids.map(|id| Json::String(names.name("audit", id))).collect())
                    }
                    ("audit_id" | "audit_chain_id", Json::String(id)) => {
                        Json::String(names.name("audit", id))
                    }
                    ("auth_key", Json::String(key)) => Json::String(names.name("key", key)),
                    // Cinder's folders are called by an id, its first digits first.
                    ("container", Json::String(path)) if path.matches('/').count() == 2 => {
                        Json::String(names.name("container", path))
                    }
                    ("device_path", Json::String(path)) => Json::String(names.name("path", path)),
                    ("backup_url", Json::String(url)) => Json::String(names.name("record", url)),
                    ("secret", Json::String(secret)) if secret.len() > 60 => {
                        Json::String(names.name("secret", secret))
                    }
                    _ => opaque(value, names),
                };
                (key.clone(), value)
            });
            Json::Object(named.collect())
        }
        Json::Array(list) => Json::Array(list.iter().map(|item| opaque(item, names)).collect()),
        _ => json.clone(),
    }
}

/// With lists of objects sorted by what is in them, apart from what has no name yet.
fn sorted(json: &Json, names: &Names) -> Json {
    match json {
        Json::Object(fields) => {
            // The first of these is the token's own, the second that of the login it comes from.
            let in_order = |key: &str, value: &Json| {
                if key == "audit_ids" { value.clone() } else { sorted(value, names) }
            };
            Json::Object(fields.iter().map(|(key, value)| (key.clone(), in_order(key, value))).collect())
        }
        Json::Array(list) => {
            let mut keyed: Vec<(String, Json)> =
                list.iter().map(|item| (key_of(item, names), sorted(item, names))).collect();
            keyed.sort_by(|one, other| one.0.cmp(&other.0));
            Json::Array(keyed.into_iter().map(|(_, item)| item).collect())
        }
        _ => json.clone(),
    }
}

fn key_of(item: &Json, names: &Names) -> String {
    let mut masked = names.clone();
    let item = opaque(item, &mut masked);
    let text = masked.normalise(&item).to_string();
    // A name made up just now says only in which order the list came.
    let parts = text.split('<').map(|part| match part.split_once('>') {
        Some((name, rest)) if names.labelled(name).is_none() => format!("<?>{rest}"),
        _ => part.to_owned(),
    });
    parts.collect()
}

/// Where an answer of ours differs, and both sides.
fn differences(recorded: &Exchange, ours: &Plain, pairs: &mut Pairs) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if recorded.status != ours.status {
        let both = format!(
            "  recorded {} {}\n  answered {} {}",
            recorded.status, recorded.answer, ours.status, ours.body
        );
        return vec![("status".to_owned(), both)];
    }
    let (theirs, mine): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (recorded.headers.iter().cloned().collect(), ours.headers.iter().cloned().collect());
    let names: BTreeSet<&String> = theirs.keys().chain(mine.keys()).collect();
    for name in names {
        let (theirs, mine) = (theirs.get(name), mine.get(name));
        let is_alike = theirs.zip(mine).is_some_and(|(theirs, mine)| pairs.are_alike(theirs, mine));
        if !is_alike {
            let both = format!("  recorded {theirs:?}\n  answered {mine:?}");
            found.push((format!("header {name}"), both));
        }
    }
    compare("body", Some(&recorded.answer), Some(&ours.body), pairs, &mut found);
    if ours.status == 400 {
        found.retain(|(place, _)| !place.ends_with(".message"));
    }
    found
}

fn compare(
    place: &str,
    theirs: Option<&Json>,
    ours: Option<&Json>,
    pairs: &mut Pairs,
    found: &mut Vec<(String, String)>,
) {
    match (theirs, ours) {
        (Some(Json::Object(theirs)), Some(Json::Object(ours))) => {
            let keys: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
            for key in keys {
                compare(&format!("{place}.{key}"), theirs.get(key), ours.get(key), pairs, found);
            }
        }
        (Some(Json::Array(theirs)), Some(Json::Array(ours))) if theirs.len() == ours.len() => {
            for (n, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                compare(&format!("{place}.{n}"), Some(theirs), Some(ours), pairs, found);
            }
        }
        (Some(Json::String(theirs)), Some(Json::String(ours))) if pairs.are_alike(theirs, ours) => {}
        (theirs, ours) if theirs == ours && !theirs.is_some_and(Json::is_string) => {}
        _ => {
            let said = |side: Option<&Json>| side.map_or("nothing".to_owned(), Json::to_string);
            found.push((place.to_owned(), format!("  recorded {}\n  answered {}", said(theirs), said(ours))));
        }
    }
}
