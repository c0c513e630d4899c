//! Paging and sorting of lists: `limit`, `marker`, `sort_key`, `sort_dir`, `sort`.

use store::Direction;

use crate::{InvalidBody, Request};

/// Which part of a list a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// At most this many.
    pub limit: Option<u32>,
    /// After the object of this id.
    pub marker: Option<String>,
}

impl Page {
    /// Reads `limit` and `marker`; a limit above `max` is lowered to it, as OpenStack does.
    pub fn of(request: &Request, max: u32) -> Result<Page, InvalidBody> {
        let limit = match request.query("limit") {
            None => None,
            Some(text) => {
                let limit: u32 = text.parse().map_err(|_| {
                    InvalidBody::at("limit", format!("is not a number of at least 0: {text}"))
                })?;
                Some(limit.min(max))
            }
        };
        Ok(Page { limit, marker: request.query("marker").filter(|m| !m.is_empty()).map(str::to_owned) })
    }
}

/// The sort keys and directions asked for, in either spelling: `sort_key=a&sort_dir=asc` repeated, or
/// `sort=a:asc,b:desc`. Keys are not checked here.
pub fn sort_of(request: &Request) -> Result<Vec<(String, Direction)>, InvalidBody> {
    let direction = |word: &str| match word {
        "asc" | "ASC" => Ok(Direction::Asc),
        "desc" | "DESC" => Ok(Direction::Desc),
        other => Err(InvalidBody::at("sort_dir", format!("is neither asc nor desc: {other}"))),
    };
    if let Some(sort) = request.query("sort") {
        let parts = sort.split(',').filter(|part| !part.is_empty()).map(|part| {
            let (key, dir) = part.split_once(':').unwrap_or((part, "asc"));
            Ok((key.to_owned(), direction(dir)?))
        });
        return parts.collect();
    }
    let mut directions = request.queries("sort_dir");
    let keys = request.queries("sort_key").map(|key| {
        let dir = directions.next().map_or(Ok(Direction::Asc), direction)?;
        Ok((key.to_owned(), dir))
    });
    keys.collect()
}

/// A name or value as it stands in a query, for the links of pages.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:,".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
