//! The shape of a property in JSON, which bodies of namespaces and objects have in them too.

use std::collections::BTreeMap;

use rest::{Fields, InvalidBody};
use serde_json::{Map, Value as Json, json};

use super::{ItemShape, Literal, PropertyShape, TYPES};
use crate::metadef::api::{NAME_CHARS_MAX, flag, present, text};

/// Text of any length that a body can have.
const TEXT_MAX: usize = usize::MAX;

/// Properties by their names, as they stand in a body under `name`.
pub(crate) fn shapes(
    fields: &mut Fields,
    name: &str,
) -> Result<Option<BTreeMap<String, PropertyShape>>, InvalidBody> {
    let path = fields.path(name);
    let map = match fields.take(name) {
        None => return Ok(None),
        Some(Json::Object(map)) => map,
        Some(_) => return Err(fields.error(name, "is not of type 'object'")),
    };
    let read = |(key, value): (String, Json)| {
        let path = format!("{path}.{key}");
        if key.chars().count() > NAME_CHARS_MAX {
            return Err(InvalidBody::at(path, format!("is longer than {NAME_CHARS_MAX} characters")));
        }
        let mut fields = Fields::new(&path, value)?;
        // Its name is the key.
        text(&mut fields, "name", NAME_CHARS_MAX)?;
        Ok((key, shape(fields)?))
    };
    map.into_iter().map(read).collect::<Result<_, _>>().map(Some)
}

/// The shape of one property, all fields of it.
pub(crate) fn shape(mut fields: Fields) -> Result<PropertyShape, InvalidBody> {
    let required = |fields: &mut Fields, name: &str| {
        text(fields, name, TEXT_MAX)?.ok_or_else(|| fields.error(name, "is a required property"))
    };
    let title = required(&mut fields, "title")?;
    let kind = kind(&mut fields)?;
    let shape = PropertyShape {
        kind,
        title,
        description: text(&mut fields, "description", TEXT_MAX)?,
        operators: operators(&mut fields)?,
        default: default(&mut fields)?,
        readonly: flag(&mut fields, "readonly")?,
        minimum: number(&mut fields, "minimum")?,
        maximum: number(&mut fields, "maximum")?,
        choices: choices(&mut fields)?,
        pattern: text(&mut fields, "pattern", TEXT_MAX)?,
        length_min: count(&mut fields, "minLength")?,
        length_max: count(&mut fields, "maxLength")?,
        items: items(&mut fields)?,
        unique_items: flag(&mut fields, "uniqueItems")?,
        items_min: count(&mut fields, "minItems")?,
        items_max: count(&mut fields, "maxItems")?,
        additional_items: flag(&mut fields, "additionalItems")?,
    };
    fields.finish()?;
    Ok(shape)
}

/// A shape as clients see it.
pub(crate) fn view(shape: &PropertyShape) -> Json {
    let items = shape
        .items
        .as_ref()
        .map(|items| present(json!({"type": items.kind, "enum": all_spelled(items.choices.as_deref())})));
    present(json!({
        "type": shape.kind,
        "title": shape.title,
        "description": shape.description,
        "operators": shape.operators,
        "default": shape.default.as_ref().map(spelled),
        "readonly": shape.readonly,
        "minimum": shape.minimum.as_ref().map(spelled),
        "maximum": shape.maximum.as_ref().map(spelled),
        "enum": all_spelled(shape.choices.as_deref()),
        "pattern": shape.pattern,
        "minLength": shape.length_min,
        "maxLength": shape.length_max,
        "items": items,
        "uniqueItems": shape.unique_items,
        "minItems": shape.items_min,
        "maxItems": shape.items_max,
        "additionalItems": shape.additional_items,
    }))
}

/// Several by their names, each with this before it.
pub(crate) fn views<'s>(
    shapes: impl IntoIterator<Item = (&'s String, &'s PropertyShape)>,
    prefix: &str,
) -> Json {
    let named = shapes.into_iter().map(|(name, shape)| (format!("{prefix}{name}"), view(shape)));
    Json::Object(named.collect::<Map<_, _>>())
}

fn kind(fields: &mut Fields) -> Result<String, InvalidBody> {
    let kind = text(fields, "type", TEXT_MAX)?;
    let kind = kind.ok_or_else(|| fields.error("type", "is a required property"))?;
    match TYPES.contains(&kind.as_str()) {
        true => Ok(kind),
        false => Err(fields.error("type", format!("is not one of {}: {kind}", TYPES.join(", ")))),
    }
}

fn operators(fields: &mut Fields) -> Result<Option<Vec<String>>, InvalidBody> {
    match fields.has("operators") {
        true => fields.texts("operators").map(|list| Some(list.unwrap_or_default())),
        false => Ok(None),
    }
}

fn default(fields: &mut Fields) -> Result<Option<Literal>, InvalidBody> {
    match fields.take("default") {
        None | Some(Json::Null) => Ok(None),
        Some(value) => literal(&value).map(Some).ok_or_else(|| {
            fields.error("default", format!("is neither a scalar nor a list of scalars: {value}"))
        }),
    }
}

/// A value as it is kept; lists hold no lists.
fn literal(value: &Json) -> Option<Literal> {
    match value {
        Json::Array(list) => list.iter().map(scalar).collect::<Option<_>>().map(Literal::List),
        other => scalar(other),
    }
}

fn scalar(value: &Json) -> Option<Literal> {
    match value {
        Json::Bool(flag) => Some(Literal::Flag(*flag)),
        Json::Number(number) => {
            number.as_i64().map(Literal::Integer).or_else(|| number.as_f64().map(Literal::Float))
        }
        Json::String(text) => Some(Literal::Text(text.clone())),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn spelled(literal: &Literal) -> Json {
    match literal {
        Literal::Flag(flag) => (*flag).into(),
        Literal::Integer(number) => (*number).into(),
        Literal::Float(number) => (*number).into(),
        Literal::Text(text) => text.as_str().into(),
        Literal::List(list) => list.iter().map(spelled).collect(),
    }
}

fn all_spelled(list: Option<&[Literal]>) -> Option<Vec<Json>> {
    list.map(|list| list.iter().map(spelled).collect())
}

fn number(fields: &mut Fields, name: &str) -> Result<Option<Literal>, InvalidBody> {
    match fields.take(name) {
        None => Ok(None),
        Some(number @ Json::Number(_)) => Ok(scalar(&number)),
        Some(other) => Err(fields.error(name, format!("is not of type 'number': {other}"))),
    }
}

fn count(fields: &mut Fields, name: &str) -> Result<Option<u64>, InvalidBody> {
    match fields.take(name) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(count) => Ok(Some(count)),
            None => Err(fields.error(name, format!("is not a whole number of at least 0: {value}"))),
        },
    }
}

fn choices(fields: &mut Fields) -> Result<Option<Vec<Literal>>, InvalidBody> {
    match fields.take("enum") {
        None => Ok(None),
        Some(Json::Array(list)) => match list.iter().map(scalar).collect() {
            Some(choices) => Ok(Some(choices)),
            None => Err(fields.error("enum", "is not a list of scalars")),
        },
        Some(other) => Err(fields.error("enum", format!("is not of type 'array': {other}"))),
    }
}

fn items(fields: &mut Fields) -> Result<Option<ItemShape>, InvalidBody> {
    let path = fields.path("items");
    let Some(value) = fields.take("items") else { return Ok(None) };
    let mut inner = Fields::new(&path, value)?;
    let items = ItemShape { kind: kind(&mut inner)?, choices: choices(&mut inner)? };
    inner.finish()?;
    Ok(Some(items))
}
