//! Microversions: `2.79`, negotiated by header, remembered in every answer.

use std::fmt;
use std::str::FromStr;

use http::HeaderMap;

/// A version of an API, `major.minor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Microversion(pub u16, pub u16);

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for Microversion {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (major, minor) = text.split_once('.').ok_or(())?;
        let number = |part: &str| {
            let plain = !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_digit())
                && (part == "0" || !part.starts_with('0'));
            if plain { part.parse().map_err(|_| ()) } else { Err(()) }
        };
        Ok(Microversion(number(major)?, number(minor)?))
    }
}

/// Which microversions a service speaks and how its clients ask for one.
#[derive(Debug, Clone, Copy)]
pub struct Microversions {
    /// The word before the version in `OpenStack-API-Version`: `compute`, `volume`, `placement`.
    pub service: &'static str,
    /// An older header that means the same: Nova's `X-OpenStack-Nova-API-Version`.
    pub legacy_header: Option<&'static str>,
    /// The oldest, which is also what a client gets that asks for none.
    pub min: Microversion,
    /// The newest.
    pub max: Microversion,
}

/// Why a client cannot have the version that it asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// 400: the header is no version.
    Malformed(String),
    /// 406: outside of what the service speaks.
    Unsupported(Microversion),
}

impl Microversions {
    /// The version to answer in.
    pub(crate) fn negotiate(&self, headers: &HeaderMap) -> Result<Microversion, Refused> {
        let Some(asked) = self.asked(headers) else { return Ok(self.min) };
        if asked.eq_ignore_ascii_case("latest") {
            return Ok(self.max);
        }
        let version: Microversion = asked.parse().map_err(|()| Refused::Malformed(asked.to_owned()))?;
        if version < self.min || version > self.max {
            Err(Refused::Unsupported(version))
        } else {
            Ok(version)
        }
    }

    fn asked<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let ours = headers.get_all("openstack-api-version").iter().filter_map(|value| value.to_str().ok());
        let mut ours = ours.flat_map(|value| value.split(',')).filter_map(|part| part.trim().split_once(' '));
        let modern =
            ours.find(|(service, _)| service.eq_ignore_ascii_case(self.service)).map(|(_, v)| v.trim());
        modern.or_else(|| headers.get(self.legacy_header?)?.to_str().ok().map(str::trim))
    }
}
