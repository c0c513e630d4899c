//! A registered limit's data.

use serde::{Deserialize, Serialize};

use crate::ids::{RegionId, RegisteredLimitId, ServiceId, key_of};

/// The largest amount that can be set; upstream's column is a signed integer of 32 bits.
pub const AMOUNT_MAX: i64 = 0x7fff_ffff;

/// No bound at all.
pub const UNLIMITED: i64 = -1;

/// A limit that holds where no other is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegisteredLimit {
    /// Its id.
    pub id: RegisteredLimitId,
    /// What is limited.
    pub what: Limited,
    /// To how much; -1 is no bound.
    pub default_limit: i64,
    /// What for.
    pub description: Option<String>,
}

/// What a limit is about; each has one registered limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limited {
    /// The service whose resource it is.
    pub service_id: ServiceId,
    /// The region, or each that has no registered limit of its own.
    pub region_id: Option<RegionId>,
    /// The service's name for it: `cores`.
    pub resource_name: String,
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct RegisteredLimitChange {
    /// The service.
    pub service_id: Option<ServiceId>,
    /// The region.
    pub region_id: Option<Option<RegionId>>,
    /// The resource.
    pub resource_name: Option<String>,
    /// How much.
    pub default_limit: Option<i64>,
    /// What for.
    pub description: Option<Option<String>>,
}

impl Limited {
    /// One key for all that is named. A region's id is never empty.
    pub fn key(&self) -> String {
        let region = self.region_id.as_ref().map_or("", |id| &id.0);
        key_of(&[&self.service_id.0, region, &self.resource_name])
    }
}
