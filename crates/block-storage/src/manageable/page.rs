//! In which order a list of what can be managed comes, and which part of it. No database sorts it.

use std::cmp::Ordering;

use rest::Request;
use serde_json::{Value as Json, json};

use super::Entry;
use crate::error::Error;
use crate::list::{limit_of, number};

/// Which part of a list is wanted.
pub(super) struct Page {
    order: Vec<(Key, Direction)>,
    /// After the thing of this reference.
    marker: Option<Json>,
    offset: u32,
    limit: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Reference,
    Size,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Page {
    /// Reads `limit`, `offset`, `marker`, and `sort` or `sort_key` and `sort_dir`.
    pub(super) fn of(request: &Request) -> Result<Page, Error> {
        let (limit, offset) = (limit_of(request)?, number(request, "offset")?.unwrap_or(0));
        let marker = request.query("marker").filter(|marker| !marker.is_empty());
        let parse = |text: &str| {
            serde_json::from_str(text).map_err(|_| {
                let text = format!("marker {text} can not be analysed, please use json like format");
                Error::Invalid(format!("Invalid input received: {text}"))
            })
        };
        Ok(Page { order: order(request)?, marker: marker.map(parse).transpose()?, offset, limit })
    }

    /// This part of a list.
    pub(super) fn part_of(&self, mut all: Vec<Entry>) -> Result<Vec<Entry>, Error> {
        all.sort_by(|left, right| self.compare(left, right));
        let begin = match &self.marker {
            None => 0,
            Some(marker) => {
                let at = all.iter().position(|entry| json!({"source-name": entry.name}) == *marker);
                let absent = || Error::Invalid(format!("Invalid input received: marker not found: {marker}"));
                at.ok_or_else(absent)? + 1
            }
        };
        let begin = begin.saturating_add(self.offset as usize);
        Ok(all.into_iter().skip(begin).take(self.limit as usize).collect())
    }

    fn compare(&self, left: &Entry, right: &Entry) -> Ordering {
        let by = |(key, direction): &(Key, Direction)| {
            let order = match key {
                Key::Reference => left.name.cmp(&right.name),
                Key::Size => left.size_gib.cmp(&right.size_gib),
            };
            if *direction == Direction::Up { order } else { order.reverse() }
        };
        self.order.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

/// By reference, the last first, unless asked otherwise.
fn order(request: &Request) -> Result<Vec<(Key, Direction)>, Error> {
    let (key, direction) = (request.query("sort_key"), request.query("sort_dir"));
    let asked: Vec<(&str, &str)> = match request.query("sort") {
        Some(_) if key.is_some() || direction.is_some() => {
            let text = "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' \
                        parameter.";
            return Err(Error::Invalid(text.to_owned()));
        }
        Some(sort) => sort.trim().split(',').map(|part| part.split_once(':').unwrap_or((part, ""))).collect(),
        None => vec![(key.unwrap_or("reference"), direction.unwrap_or(""))],
    };
    let parse = |(key, direction): (&str, &str)| {
        let key = match key.trim() {
            "reference" => Key::Reference,
            "size" => Key::Size,
            odd => return Err(Error::Invalid(format!("Invalid sort keys passed: {odd}"))),
        };
        match direction.trim() {
            "" | "desc" => Ok((key, Direction::Down)),
            "asc" => Ok((key, Direction::Up)),
            odd => Err(Error::Invalid(format!("Invalid sort dirs passed: {odd}"))),
        }
    };
    asked.into_iter().map(parse).collect()
}
