//! What several bodies and queries have in common.

use rest::{Fields, InvalidBody, Request};
use serde_json::Value as Json;
use types::Timestamp;

use crate::Error;

/// The longest name.
const NAME_LENGTH_MAX: usize = 255;

/// Takes a name: printable, not blank at its ends, not empty.
pub(crate) fn name(fields: &mut Fields, key: &str) -> Result<Option<String>, InvalidBody> {
    let Some(name) = fields.text(key)? else { return Ok(None) };
    let printable = name.chars().all(|c| !c.is_control());
    if name.is_empty() || name.trim() != name || name.chars().count() > NAME_LENGTH_MAX || !printable {
        let problem = "is empty, longer than 255 characters, not printable or has blanks at its ends";
        return Err(fields.error(key, problem));
    }
    Ok(Some(name))
}

/// Takes a description: `None` if absent, `Some(None)` if null.
pub(crate) fn description(
    fields: &mut Fields,
    length_max: usize,
) -> Result<Option<Option<String>>, InvalidBody> {
    let given = fields.nullable_text("description")?;
    let fits = |text: &String| {
        text.chars().count() <= length_max && text.chars().all(|c| !c.is_control() || "\n\r\t".contains(c))
    };
    match given {
        Some(Some(text)) if !fits(&text) => {
            Err(fields
                .error("description", format!("is longer than {length_max} characters or not printable")))
        }
        other => Ok(other),
    }
}

/// A word that OpenStack takes for true or false.
pub(crate) fn flag_of(word: &str) -> Option<bool> {
    match word.trim().to_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Some(true),
        "false" | "0" | "no" | "off" | "f" | "n" => Some(false),
        _ => None,
    }
}

/// Takes a list of tags.
pub(crate) fn tags(fields: &mut Fields, key: &str) -> Result<Option<Vec<String>>, Error> {
    let Some(tags) = fields.texts(key)? else { return Ok(None) };
    tags.iter().try_for_each(|tag| check_tag(tag))?;
    if tags.len() > TAGS_MAX {
        let text = format!("The number of tags exceeded the per-server limit {TAGS_MAX}");
        return Err(Error::Invalid(text));
    }
    Ok(Some(tags))
}

/// The most tags that a server can have.
pub(crate) const TAGS_MAX: usize = 50;

/// Whether a tag may be one.
pub(crate) fn check_tag(tag: &str) -> Result<(), Error> {
    if tag.is_empty() || tag.chars().count() > 60 || tag.contains(['/', ',']) {
        let text = format!(
            "Tag '{tag}' is invalid. It must be a non empty string without characters '/' and ','. Maximum length is 60"
        );
        return Err(Error::Invalid(text));
    }
    Ok(())
}

/// Takes metadata: strings of at most 255 characters each.
pub(crate) fn metadata(fields: &mut Fields, key: &str) -> Result<Option<Vec<(String, String)>>, Error> {
    let Some(pairs) = fields.text_map(key)? else { return Ok(None) };
    pairs.iter().try_for_each(|(name, value)| check_metadata(name, value))?;
    Ok(Some(pairs))
}

/// Whether a pair may be metadata.
pub(crate) fn check_metadata(name: &str, value: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_:. ".contains(c);
    if name.is_empty()
        || name.chars().count() > 255
        || value.chars().count() > 255
        || !name.chars().all(plain)
    {
        let problem = "is not between 1 and 255 letters, digits, '-', '_', ':', '.' and blanks, or its value is longer than 255";
        return Err(InvalidBody::at(name, problem).into());
    }
    Ok(())
}

/// Refuses query parameters other than these.
pub(crate) fn only_queries(request: &Request, known: &[&str]) -> Result<(), Error> {
    match request.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some((name, _)) => Err(Error::Invalid(format!(
            "Invalid input for query parameters. Additional properties are not allowed ('{name}' was unexpected)"
        ))),
    }
}

/// What a route answers in a microversion that does not have it.
pub(crate) fn no_such_route() -> Error {
    Error::NotFound("The resource could not be found.".to_owned())
}

/// The one key of an action's body and what it says.
pub(crate) fn action(request: &Request) -> Result<(String, Json), Error> {
    let Json::Object(top) = request.json()? else {
        return Err(Error::Invalid("Malformed request body".to_owned()));
    };
    let mut entries = top.into_iter();
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry),
        _ => Err(Error::Invalid("There is no such action: a body names exactly one".to_owned())),
    }
}

/// A time in a query.
pub(crate) fn time(request: &Request, name: &str) -> Result<Option<Timestamp>, Error> {
    let Some(text) = request.query(name) else { return Ok(None) };
    // In a query a plus sign stands for a blank, but clients forget to encode that of a time zone.
    let parsed = Timestamp::parse(&text.replace(' ', "+")).or_else(|_| Timestamp::parse(text));
    let invalid = |_| {
        Error::Invalid(format!(
            "Invalid input for query parameters {name}. Value: {text}. is not a 'date-time'"
        ))
    };
    parsed.map(Some).map_err(invalid)
}
