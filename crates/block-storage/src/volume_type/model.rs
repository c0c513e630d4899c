//! What a volume type is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use types::{ProjectId, QosSpecsId, Timestamp, VolumeTypeId};

use crate::encryption::Encryption;
use crate::qos_specs::QosSpecs;

/// Extra specs that everybody sees; the others tell about the deployment.
const VISIBLE: [&str; 3] = ["RESKEY:availability_zones", "multiattach", "replication_enabled"];
/// The extra specs that bound the size of a volume, in GiB.
const SIZE_MIN: &str = "provisioning:min_vol_size";
const SIZE_MAX: &str = "provisioning:max_vol_size";
/// The extra spec that names the zones of a type, separated by commas.
const ZONES: &str = "RESKEY:availability_zones";
/// How an extra spec says yes.
const YES: &str = "<is> True";

/// Words for backends. A key can be there without a value.
pub type Specs = BTreeMap<String, Option<String>>;

/// A volume type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeType {
    /// Its id.
    pub id: VolumeTypeId,
    /// Its name, which is unique.
    pub name: String,
    /// Words about it.
    pub description: Option<String>,
    /// Whether every project may use it.
    pub is_public: bool,
    /// The projects that may use it if it is not public.
    pub projects: BTreeSet<ProjectId>,
    /// Words for backends.
    pub extra_specs: Specs,
    /// How fast its volumes may be.
    #[serde(default)]
    pub qos_specs_id: Option<QosSpecsId>,
    /// How its volumes are encrypted, if they are.
    #[serde(default)]
    pub encryption: Option<Encryption>,
    /// When it was created.
    pub created_at: Timestamp,
}

impl VolumeType {
    /// Whether a project may use it.
    pub fn is_open_to(&self, project: Option<&ProjectId>) -> bool {
        self.is_public || project.is_some_and(|project| self.projects.contains(project))
    }

    /// The extra specs that everybody sees.
    pub fn visible_specs(&self) -> Specs {
        let visible = self.extra_specs.iter().filter(|(key, _)| is_visible(key));
        visible.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Whether it has all these extra specs. Of zones one is enough.
    pub fn has_specs(&self, wanted: &[(String, String)]) -> bool {
        wanted.iter().all(|(key, value)| match self.extra_specs.get(key) {
            Some(Some(known)) if key == ZONES => known.contains(value.as_str()),
            Some(Some(known)) => known == value,
            Some(None) | None => false,
        })
    }

    /// Why no volume of this size can be of this type, if none can.
    pub fn refuses_size(&self, size_gib: u32) -> Option<String> {
        let bound = |key: &str| self.extra_specs.get(key)?.as_deref()?.trim().parse::<u32>().ok();
        let name = &self.name;
        match (bound(SIZE_MIN), bound(SIZE_MAX)) {
            (Some(min), _) if size_gib < min => Some(format!(
                "Specified volume size of '{size_gib}' is less than the minimum required size of '{min}' for volume type \
                 '{name}'."
            )),
            (_, Some(max)) if max > 0 && size_gib > max => Some(format!(
                "Specified volume size of '{size_gib}' is greater than the maximum allowable size of '{max}' for volume \
                 type '{name}'."
            )),
            _ => None,
        }
    }

    /// Whether its volumes are to be replicated.
    pub fn is_replicated(&self) -> bool {
        self.extra_specs.get("replication_enabled").is_some_and(|value| value.as_deref() == Some(YES))
    }

    /// Whether several servers are to have one of its volumes at a time.
    pub fn is_multiattach(&self) -> bool {
        self.extra_specs.get("multiattach").is_some_and(|value| value.as_deref() == Some(YES))
    }

    /// The zones that its volumes can be in, if not in all.
    pub fn zones(&self) -> Option<Vec<&str>> {
        let zones = self.extra_specs.get(ZONES)?.as_deref()?;
        Some(zones.split(',').map(str::trim).filter(|zone| !zone.is_empty()).collect())
    }
}

/// Whether everybody sees the extra spec of this name.
pub(crate) fn is_visible(key: &str) -> bool {
    VISIBLE.contains(&key)
}

/// Why these extra specs cannot be, if they cannot.
pub(crate) fn refuse_specs(specs: &Specs) -> Option<String> {
    let is_yes = |key: &str| specs.get(key).is_some_and(|value| value.as_deref() == Some(YES));
    if is_yes("multiattach") && is_yes("cacheable") {
        return Some("cacheable cannot be set with multiattach.".to_owned());
    }
    let odd = [SIZE_MIN, SIZE_MAX].into_iter().find(|key| {
        let value = specs.get(*key).and_then(Option::as_deref);
        value.is_some_and(|value| value.trim().parse::<u32>().is_err())
    });
    odd.map(|key| format!("{key} must be a size in GiB."))
}

/// What a type asks of its volumes.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The type's name.
    pub name: String,
    /// Words for backends.
    pub extra_specs: Specs,
    /// How fast a volume may be, and who holds it to that.
    pub qos_specs: Option<QosSpecs>,
    /// How it is encrypted, if it is.
    pub encryption: Option<Encryption>,
}

/// A type that is to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeDraft {
    /// See [`VolumeType`].
    pub name: String,
    /// See [`VolumeType`].
    pub description: Option<String>,
    /// See [`VolumeType`].
    pub is_public: bool,
    /// See [`VolumeType`].
    pub extra_specs: Specs,
}

/// What changes of a type. Words about it are replaced, never taken away.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TypeChange {
    /// Another name.
    pub name: Option<String>,
    /// Other words.
    pub description: Option<String>,
    /// Whether every project may use it.
    pub is_public: Option<bool>,
}
