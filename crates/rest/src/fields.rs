//! Reading a JSON object field by field: each field is taken once, what is left over is refused.
//!
//! Unlike a derived parser it tells an absent field from a null one, which matters to every update, and its errors
//! name the field.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value as Json};

/// Why a body cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidBody {
    /// Where, as a path of names (`port.fixed_ips`); empty for the body as a whole.
    pub field: String,
    /// What is wrong there, to follow the field's name: `is required`.
    pub problem: String,
    /// Whether the bytes were no JSON at all.
    pub malformed: bool,
}

impl InvalidBody {
    /// Something wrong with one field.
    pub fn at(field: impl Into<String>, problem: impl Into<String>) -> InvalidBody {
        InvalidBody { field: field.into(), problem: problem.into(), malformed: false }
    }

    pub(crate) fn malformed(error: &serde_json::Error) -> InvalidBody {
        InvalidBody { field: String::new(), problem: format!("malformed JSON: {error}"), malformed: true }
    }
}

impl fmt::Display for InvalidBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.problem)
        } else {
            write!(f, "{} {}", self.field, self.problem)
        }
    }
}

impl std::error::Error for InvalidBody {}

/// The fields of an object that have not been taken yet.
#[derive(Debug, Clone)]
pub struct Fields {
    path: String,
    left: Map<String, Json>,
}

impl Fields {
    /// The fields of `value`, which must be an object; `path` is for error messages.
    pub fn new(path: &str, value: Json) -> Result<Fields, InvalidBody> {
        match value {
            Json::Object(left) => Ok(Fields { path: path.to_owned(), left }),
            _ => Err(InvalidBody::at(path, "is not an object")),
        }
    }

    /// Where `name` is, for error messages.
    pub fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// An error about the field `name`.
    pub fn error(&self, name: &str, problem: impl Into<String>) -> InvalidBody {
        InvalidBody::at(self.path(name), problem)
    }

    /// Whether the field is there and not taken yet.
    pub fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// Takes the field whatever it is.
    pub fn take(&mut self, name: &str) -> Option<Json> {
        self.left.remove(name)
    }

    /// Takes a string; null counts as absent.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, InvalidBody> {
        Ok(self.nullable_text(name)?.flatten())
    }

    /// Takes a string that may be null: `None` if absent, `Some(None)` if null.
    pub fn nullable_text(&mut self, name: &str) -> Result<Option<Option<String>>, InvalidBody> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Null) => Ok(Some(None)),
            Some(Json::String(text)) => Ok(Some(Some(text))),
            Some(_) => Err(self.error(name, "is not a string")),
        }
    }

    /// Takes a string that must be there.
    pub fn required_text(&mut self, name: &str) -> Result<String, InvalidBody> {
        self.text(name)?.ok_or_else(|| self.error(name, "is required"))
    }

    /// Takes a string and reads it as an id, an address or the like; null counts as absent.
    pub fn parse<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, InvalidBody> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) => {
                text.parse().map(Some).map_err(|_| self.error(name, format!("is not valid: {text}")))
            }
        }
    }

    /// As [`Fields::parse`]: `None` if absent, `Some(None)` if null.
    pub fn nullable_parse<T: FromStr>(&mut self, name: &str) -> Result<Option<Option<T>>, InvalidBody> {
        if self.left.get(name) == Some(&Json::Null) {
            self.left.remove(name);
            return Ok(Some(None));
        }
        Ok(self.parse(name)?.map(Some))
    }

    /// Takes true or false, also spelled as strings or 0 and 1, as OpenStack does; null counts as absent.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, InvalidBody> {
        let value = match self.take(name) {
            None | Some(Json::Null) => return Ok(None),
            Some(value) => value,
        };
        let word = match &value {
            Json::Bool(flag) => return Ok(Some(*flag)),
            Json::Number(number) => number.to_string(),
            Json::String(text) => text.to_lowercase(),
            Json::Null | Json::Array(_) | Json::Object(_) => String::new(),
        };
        match word.as_str() {
            "true" | "1" | "yes" | "on" | "t" | "y" => Ok(Some(true)),
            "false" | "0" | "no" | "off" | "f" | "n" => Ok(Some(false)),
            _ => Err(self.error(name, "is not a boolean")),
        }
    }

    /// Takes a whole number, also spelled as a string; null counts as absent.
    pub fn int(&mut self, name: &str) -> Result<Option<i64>, InvalidBody> {
        let number = match self.take(name) {
            None | Some(Json::Null) => return Ok(None),
            Some(Json::Number(number)) => number.as_i64(),
            Some(Json::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        number.map(Some).ok_or_else(|| self.error(name, "is not an integer"))
    }

    /// Takes a whole number from `min` to `max`.
    pub fn int_in(&mut self, name: &str, min: i64, max: i64) -> Result<Option<i64>, InvalidBody> {
        match self.int(name)? {
            Some(n) if n < min || n > max => {
                Err(self.error(name, format!("is not between {min} and {max}: {n}")))
            }
            other => Ok(other),
        }
    }

    /// Takes a list; null counts as absent.
    pub fn list(&mut self, name: &str) -> Result<Option<Vec<Json>>, InvalidBody> {
        match self.take(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Array(list)) => Ok(Some(list)),
            Some(_) => Err(self.error(name, "is not a list")),
        }
    }

    /// Takes a list of strings; null counts as absent.
    pub fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, InvalidBody> {
        let Some(list) = self.list(name)? else { return Ok(None) };
        let texts = list.into_iter().map(|item| match item {
            Json::String(text) => Ok(text),
            _ => Err(self.error(name, "is not a list of strings")),
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// Takes a list of objects; null counts as absent.
    pub fn objects(&mut self, name: &str) -> Result<Option<Vec<Fields>>, InvalidBody> {
        let path = self.path(name);
        let Some(list) = self.list(name)? else { return Ok(None) };
        list.into_iter().map(|item| Fields::new(&path, item)).collect::<Result<_, _>>().map(Some)
    }

    /// Takes an object; null counts as absent.
    pub fn object(&mut self, name: &str) -> Result<Option<Fields>, InvalidBody> {
        match self.take(name) {
            None | Some(Json::Null) => Ok(None),
            Some(value) => Fields::new(&self.path(name), value).map(Some),
        }
    }

    /// Takes an object of strings; null counts as absent.
    pub fn text_map(&mut self, name: &str) -> Result<Option<Vec<(String, String)>>, InvalidBody> {
        let Some(fields) = self.object(name)? else { return Ok(None) };
        let pairs = fields.left.into_iter().map(|(key, value)| match value {
            Json::String(text) => Ok((key, text)),
            _ => Err(InvalidBody::at(format!("{}.{key}", fields.path), "is not a string")),
        });
        pairs.collect::<Result<_, _>>().map(Some)
    }

    /// The names of the fields that were not taken.
    pub fn left(&self) -> Vec<String> {
        self.left.keys().cloned().collect()
    }

    /// What was not taken.
    pub fn into_left(self) -> Map<String, Json> {
        self.left
    }

    /// Refuses what was not taken, naming it.
    pub fn finish(self) -> Result<(), InvalidBody> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(_) => {
                let names: Vec<String> = self.left.keys().map(|name| format!("'{name}'")).collect();
                let verb = if names.len() == 1 { "was" } else { "were" };
                let problem =
                    format!("Additional properties are not allowed ({} {verb} unexpected)", names.join(", "));
                Err(InvalidBody::at("", problem))
            }
        }
    }
}
