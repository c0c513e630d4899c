//! What the lists of the service have in common.

use rest::{Request, encoded};

use crate::error::Error;

/// The size of a page when the client asks for none.
pub(crate) const LIMIT_DEFAULT: u32 = 25;
/// The largest page.
const LIMIT_MAX: u32 = 1000;

/// How many a page may have, as the client said; a larger one is the largest there is.
pub(crate) fn limit(request: &Request) -> Result<Option<u32>, Error> {
    let invalid = |text: &str| Error::Invalid(text.to_owned());
    match request.query("limit").map(|text| text.trim().parse::<i64>()) {
        None => Ok(None),
        Some(Ok(limit)) if limit < 0 => Err(invalid("limit param must be positive")),
        Some(Ok(limit)) => Ok(Some(u32::try_from(limit).unwrap_or(LIMIT_MAX).min(LIMIT_MAX))),
        Some(Err(_)) => Err(invalid("limit param must be an integer")),
    }
}

/// A link to a page of this list, with the same filters: the first, or the one after the marker.
pub(crate) fn link(request: &Request, path: &str, marker: Option<&str>) -> String {
    let kept = request.query.iter().filter(|(name, _)| name != "marker");
    let mut pairs: Vec<String> =
        kept.map(|(name, value)| format!("{}={}", in_form(name), in_form(value))).collect();
    pairs.extend(marker.map(|marker| format!("marker={}", in_form(marker))));
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// A name or value as forms are encoded, which is how Glance writes its links.
fn in_form(text: &str) -> String {
    encoded(text).replace(':', "%3A").replace(',', "%2C").replace("%20", "+")
}
