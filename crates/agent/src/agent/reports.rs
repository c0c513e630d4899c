//! What the agent says of documents, and when it tries again what failed.

use std::time::Duration;

use agent_api::{DocumentKey, FromNode, Report};
use serde::Serialize;

use super::Agent;
use crate::trouble::Trouble;

/// The first and the longest pause before something that failed is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

impl Agent {
    /// Reports a thing as gone and forgets it, or why it is not.
    pub(super) fn gone<E: Into<Trouble>>(
        &mut self,
        key: &DocumentKey,
        revision: i64,
        removed: Result<(), E>,
    ) {
        match removed {
            Ok(()) => {
                self.due.remove(key);
                self.failures.remove(key);
                self.waiting.remove(key);
                self.documents.forget(key);
                self.put_report(Report {
                    key: key.clone(),
                    revision,
                    at: runtime::now(),
                    seen: None,
                    error: None,
                });
            }
            Err(error) => self.failed(key, revision, error.into()),
        }
    }

    pub(super) fn report<T: Serialize, E: Into<Trouble>>(
        &mut self,
        key: &DocumentKey,
        revision: i64,
        made: Result<T, E>,
    ) {
        match made {
            Ok(seen) => {
                self.failures.remove(key);
                let seen = serde_json::to_value(seen).ok();
                self.put_report(Report { key: key.clone(), revision, at: runtime::now(), seen, error: None });
            }
            Err(error) => self.failed(key, revision, error.into()),
        }
    }

    /// What failed is tried again. As long as it may pass, the document is not acted on, so that nobody gives up.
    pub(super) fn failed(&mut self, key: &DocumentKey, revision: i64, trouble: Trouble) {
        let failures = self.failures.entry(key.clone()).or_default();
        let (first, longest) = RETRY;
        let pause = first.saturating_mul(1 << (*failures).min(10)).min(longest);
        *failures += 1;
        let Trouble { words, passes } = trouble;
        tracing::warn!("{key}: {words}");
        self.due.insert(key.clone(), runtime::now().plus(pause));
        let before = self.reports.get(key);
        let seen = before.and_then(|before| before.seen.clone());
        let acted_on = before.map_or(0, |before| before.revision);
        if passes && acted_on == revision {
            return;
        }
        let revision = if passes { acted_on } else { revision };
        self.put_report(Report { key: key.clone(), revision, at: runtime::now(), seen, error: Some(words) });
    }

    fn put_report(&mut self, report: Report) {
        let same = self.reports.get(&report.key).is_some_and(|before| {
            (before.revision, &before.seen, &before.error) == (report.revision, &report.seen, &report.error)
        });
        if !same {
            self.unsent.insert(report.key.clone());
            self.reports.insert(report.key.clone(), report);
        }
    }

    /// What is to be sent now.
    pub fn outgoing(&mut self) -> Vec<FromNode> {
        let mut messages = std::mem::take(&mut self.answers);
        let unsent = std::mem::take(&mut self.unsent);
        let reports: Vec<Report> = unsent.iter().filter_map(|key| self.reports.get(key)).cloned().collect();
        // A thing that is gone and told so needs no memory; told on a connection that is lost, the next hello shows it.
        for gone in reports.iter().filter(|report| report.seen.is_none() && report.error.is_none()) {
            self.reports.remove(&gone.key);
        }
        if !reports.is_empty() {
            messages.push(self.numbered(reports));
        }
        messages
    }

    /// A sign of life.
    pub fn heartbeat(&mut self) -> FromNode {
        self.numbered(Vec::new())
    }

    fn numbered(&mut self, reports: Vec<Report>) -> FromNode {
        self.sequence += 1;
        FromNode::Reports { sequence: self.sequence, reports }
    }
}
