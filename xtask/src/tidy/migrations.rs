//! A migration that has run somewhere cannot be changed: the sum of each is on record.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Source, Violation};
use crate::project::{Outcome, doing};

const RECORD: &str = "xtask/migrations.sums";

pub(super) fn check(root: &Path, sources: &[Source]) -> Outcome<Vec<Violation>> {
    let recorded = read_record(root)?;
    Ok(compare(&recorded, &sums(sources)))
}

/// Records the migrations that are new; says which have changed.
pub(super) fn accept(root: &Path, sources: &[Source]) -> Outcome {
    let mut recorded = read_record(root)?;
    for (path, sum) in sums(sources) {
        recorded.entry(path).or_insert(sum);
    }
    let text: String = recorded.iter().map(|(path, sum)| format!("{sum}  {}\n", path.display())).collect();
    doing(format!("cannot write {RECORD}"), fs::write(root.join(RECORD), text))
}

fn read_record(root: &Path) -> Outcome<BTreeMap<PathBuf, String>> {
    let path = root.join(RECORD);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = doing(format!("cannot read {RECORD}"), fs::read_to_string(path))?;
    Ok(text.lines().filter_map(|l| l.split_once("  ")).map(|(sum, path)| (path.into(), sum.into())).collect())
}

fn sums(sources: &[Source]) -> BTreeMap<PathBuf, String> {
    let is_migration = |s: &&Source| {
        s.path.extension().is_some_and(|e| e == "sql") && s.path.iter().any(|c| c == "migrations")
    };
    sources.iter().filter(is_migration).map(|s| (s.path.clone(), sum(&s.text))).collect()
}

/// FNV-1a: it notices a change, which is all that is asked of it.
fn sum(text: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

pub(super) fn compare(
    recorded: &BTreeMap<PathBuf, String>,
    found: &BTreeMap<PathBuf, String>,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, sum) in found {
        match recorded.get(path) {
            None => violations.push(Violation::new(path, 0, "is new: cargo xtask tidy --accept-migrations")),
            Some(known) if known != sum => {
                violations.push(Violation::new(
                    path,
                    0,
                    "has run somewhere; write another migration instead",
                ));
            }
            Some(_) => {}
        }
    }
    for path in recorded.keys().filter(|p| !found.contains_key(*p)) {
        violations.push(Violation::new(path, 0, "is on record and gone"));
    }
    violations
}
