//! What differs from run to run, as names: the first new UUID is `<id-1>`, a time `<time>`, a MAC address `<mac-1>`.
//! A conversation may also give a value a name of its own choice.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// What was named so far.
#[derive(Clone, Default)]
pub(crate) struct Names {
    by_value: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, usize>,
}

impl Names {
    /// Puts the values back in the place of their names.
    pub(crate) fn restore(&self, text: &str) -> String {
        self.by_value.iter().fold(text.to_owned(), |text, (value, name)| text.replace(name, value))
    }

    /// Leaves a value as it is, unless it has a name.
    pub(crate) fn keep(&mut self, value: &str) {
        self.by_value.entry(value.to_owned()).or_insert_with(|| value.to_owned());
    }

    /// Gives a value a name; the last of two values with the same name has it.
    pub(crate) fn label(&mut self, value: &str, label: &str) {
        let name = format!("<{label}>");
        self.by_value.retain(|_, known| *known != name);
        self.by_value.insert(value.to_owned(), name);
    }

    /// The value that a label stands for.
    pub(crate) fn labelled(&self, label: &str) -> Option<&str> {
        let name = format!("<{label}>");
        self.by_value.iter().find(|(_, known)| **known == name).map(|(value, _)| value.as_str())
    }

    pub(crate) fn normalise(&mut self, json: &Json) -> Json {
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
    pub(crate) fn named(&mut self, text: &str) -> String {
        if let Some(name) = self.by_value.get(text) {
            return name.clone();
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let found = [
                ("time", time_length(rest)),
                ("token", token_length(rest)),
                ("hash", hexadecimal(rest, 64)),
                ("id", uuid_length(rest)),
                ("mac", mac_length(rest)),
            ];
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

    /// The name of a value of some kind, new if it has none yet.
    pub(crate) fn name(&mut self, kind: &'static str, value: &str) -> String {
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

/// `digits` if `text` begins with that many hexadecimal digits.
fn hexadecimal(text: &str, digits: usize) -> usize {
    let bytes = text.as_bytes();
    let fits = bytes.len() >= digits && bytes[..digits].iter().all(u8::is_ascii_hexdigit);
    if fits { digits } else { 0 }
}

fn uuid_length(text: &str) -> usize {
    let dashed = matching(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    if dashed > 0 { dashed } else { hexadecimal(text, 32) }
}

/// A Fernet token begins with its version and the upper bits of the time.
fn token_length(text: &str) -> usize {
    if !text.starts_with("gAAAAA") {
        return 0;
    }
    let is_part = |c: &u8| c.is_ascii_alphanumeric() || b"-_=".contains(c);
    text.bytes().take_while(is_part).count()
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
