//! Links and pages as Nova spells them.

use rest::{Page, Request};
use serde_json::{Value as Json, json};

use crate::Error;

/// The most items that one page holds.
pub(crate) const PAGE_MAX: u32 = 1000;

/// The two links of one object.
pub(crate) fn of(request: &Request, collection: &str, id: &str) -> Json {
    json!([
        {"rel": "self", "href": format!("{}/v2.1/{collection}/{id}", request.base_url)},
        {"rel": "bookmark", "href": bookmark(request, collection, id)},
    ])
}

/// The link that outlives API versions.
pub(crate) fn bookmark(request: &Request, collection: &str, id: &str) -> String {
    format!("{}/{collection}/{id}", request.base_url)
}

/// The part of a list that is asked for. A limit of 0 means the most, as in Nova.
pub(crate) fn page(request: &Request) -> Result<Page, Error> {
    let mut page = Page::of(request, PAGE_MAX)?;
    page.limit = Some(page.limit.filter(|limit| *limit > 0).unwrap_or(PAGE_MAX));
    Ok(page)
}

/// The link to the page after `last`, if this page is full.
pub(crate) fn next(request: &Request, collection: &str, count: usize, last: Option<&str>) -> Option<Json> {
    let asked = request.query("limit").and_then(|text| text.parse::<u32>().ok());
    let limit = asked.map_or(PAGE_MAX, |limit| limit.min(PAGE_MAX));
    if limit == 0 || count < limit as usize {
        return None;
    }
    let last = last?;
    let kept = request.query.iter().filter(|(name, _)| name != "marker");
    let mut query: Vec<String> =
        kept.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    query.push(format!("marker={}", encoded(last)));
    let href = format!("{}/v2.1/{collection}?{}", request.base_url, query.join("&"));
    Some(json!([{"rel": "next", "href": href}]))
}

/// The items of a list kept whole in memory that belong on this page, each known by its marker.
pub(crate) fn cut<T>(items: Vec<T>, page: &Page, marker_of: impl Fn(&T) -> &str) -> Result<Vec<T>, Error> {
    let start = match &page.marker {
        None => 0,
        Some(marker) => {
            let at = items.iter().position(|item| marker_of(item) == marker);
            at.ok_or_else(|| Error::Invalid(format!("marker [{marker}] not found")))? + 1
        }
    };
    let limit = page.limit.unwrap_or(PAGE_MAX) as usize;
    Ok(items.into_iter().skip(start).take(limit).collect())
}

/// Percent-encodes what may not stand in a query.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
