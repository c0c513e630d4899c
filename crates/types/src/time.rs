//! Points in time, and the three spellings that OpenStack's services have for them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z. In documents and database columns it is this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A string that is no time stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidTime;

impl fmt::Display for InvalidTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an ISO 8601 time")
    }
}

impl std::error::Error for InvalidTime {}

impl Timestamp {
    /// From whole seconds since 1970.
    pub fn from_seconds(seconds: i64) -> Timestamp {
        Timestamp(seconds.saturating_mul(1_000_000))
    }

    /// Whole seconds since 1970, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// `2026-11-22T19:47:00Z`: compute, image, network.
    pub fn iso_z(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%SZ")
    }

    /// `2026-11-22T19:47:00.000000Z`: identity.
    pub fn iso_micros_z(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%S.%6fZ")
    }

    /// `2026-11-22T19:47:00.000000`: block storage and parts of compute, without a zone.
    pub fn iso_micros(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%S.%6f")
    }

    fn format(self, pattern: &str) -> String {
        let instant = jiff::Timestamp::from_microsecond(self.0).unwrap_or_default();
        instant.strftime(pattern).to_string()
    }

    /// Reads ISO 8601 with or without a fraction and a zone; without a zone it is UTC.
    pub fn parse(text: &str) -> Result<Timestamp, InvalidTime> {
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Ok(Timestamp(instant.as_microsecond()));
        }
        let civil: jiff::civil::DateTime = text.parse().map_err(|_| InvalidTime)?;
        let instant = civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| InvalidTime)?;
        Ok(Timestamp(instant.timestamp().as_microsecond()))
    }

    /// This much later.
    pub fn plus(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This much earlier.
    pub fn minus(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is before.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}
