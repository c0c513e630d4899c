//! What QoS specs are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::{QosSpecsId, Timestamp};

/// How fast volumes may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QosSpecs {
    /// Its id.
    pub id: QosSpecsId,
    /// Its name, which is unique.
    pub name: String,
    /// Who holds volumes to it.
    pub consumer: Consumer,
    /// The bounds: `total_iops_sec`, `read_bytes_sec`. A key can be there without a value.
    pub specs: BTreeMap<String, Option<String>>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Who holds volumes to what their QoS specs say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consumer {
    /// The hypervisor.
    FrontEnd,
    /// The storage.
    BackEnd,
    /// Both.
    Both,
}

impl Consumer {
    /// As clients write it.
    pub fn name(self) -> &'static str {
        match self {
            Consumer::FrontEnd => "front-end",
            Consumer::BackEnd => "back-end",
            Consumer::Both => "both",
        }
    }

    /// The consumer of this name.
    pub fn of_name(name: &str) -> Option<Consumer> {
        [Consumer::FrontEnd, Consumer::BackEnd, Consumer::Both].into_iter().find(|known| known.name() == name)
    }
}

impl QosSpecs {
    /// What the hypervisor is to hold volumes to; empty if that is not for it to do.
    pub fn front_end(&self) -> BTreeMap<&str, &str> {
        self.of_consumer(Consumer::FrontEnd)
    }

    /// What the storage is to hold volumes to; empty if that is not for it to do.
    pub fn back_end(&self) -> BTreeMap<&str, &str> {
        self.of_consumer(Consumer::BackEnd)
    }

    fn of_consumer(&self, consumer: Consumer) -> BTreeMap<&str, &str> {
        let counts = self.consumer == consumer || self.consumer == Consumer::Both;
        let specs = self.specs.iter().filter(|_| counts);
        specs.filter_map(|(key, value)| Some((key.as_str(), value.as_deref()?))).collect()
    }
}

/// What changes of QoS specs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct QosChange {
    /// Another consumer.
    pub(crate) consumer: Option<Consumer>,
    /// Keys that are added or get another value.
    pub(crate) specs: BTreeMap<String, Option<String>>,
}
