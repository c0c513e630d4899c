//! A ruleset as data: what `nft` should hold in one namespace, how that is written down, and the smallest change
//! from one ruleset to the next.
//!
//! Nothing here touches the kernel. A whole ruleset is loaded by one `nft` process in one transaction; later
//! changes that concern only set elements are sent straight over netlink (`elements.rs`), for starting a process
//! costs more than the rest of plugging in a port.

pub(crate) mod elements;
mod load;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

use types::{IpNet, MacAddr};

pub(crate) use elements::Kernel;
pub(crate) use load::{load, probe_version};

/// The protocol families of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    Inet,
    Ip,
    Bridge,
}

/// Everything `nft` should hold in a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ruleset {
    pub tables: BTreeMap<(Family, String), Table>,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub sets: BTreeMap<String, Set>,
    pub chains: BTreeMap<String, Chain>,
}

/// A named set, or a map when its elements carry values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    /// Its type as nft writes it: `type ifname . ether_addr`, `type ifname : verdict`.
    pub kind: String,
    /// Whether elements are ranges. Those are changed by `nft` alone, which knows how to cut ranges.
    pub interval: bool,
    pub elements: BTreeMap<Vec<Value>, Option<Data>>,
}

/// A chain: with a hook when packets come to it by themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    /// `type filter hook forward priority 10; policy drop;` of a base chain.
    pub hook: Option<&'static str>,
    pub rules: Vec<String>,
}

/// One field of an element's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    Link(String),
    Mac(MacAddr),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    /// Sixteen bytes of a packet that nft has no name for, holding an IPv6 address.
    Raw(Ipv6Addr),
    Net(IpNet),
}

/// What a map's element yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    Accept,
    Drop,
    Goto(String),
    V4(Ipv4Addr),
}

/// Elements to be removed from or added to one set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ElementChange {
    pub family: Family,
    pub table: String,
    pub set: String,
    pub removed: BTreeMap<Vec<Value>, Option<Data>>,
    pub added: BTreeMap<Vec<Value>, Option<Data>>,
}

/// How to get from one ruleset to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// Only elements of plain sets and maps differ.
    Elements(Vec<ElementChange>),
    /// Commands for `nft -f -`.
    Commands(String),
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Inet => "inet",
            Family::Ip => "ip",
            Family::Bridge => "bridge",
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Link(name) => write!(f, "\"{name}\""),
            Value::Mac(mac) => write!(f, "{mac}"),
            Value::V4(address) => write!(f, "{address}"),
            Value::V6(address) => write!(f, "{address}"),
            Value::Raw(address) => write!(f, "{:#x}", u128::from(*address)),
            Value::Net(net) => write!(f, "{net}"),
        }
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Data::Accept => f.write_str("accept"),
            Data::Drop => f.write_str("drop"),
            Data::Goto(chain) => write!(f, "goto {chain}"),
            Data::V4(address) => write!(f, "{address}"),
        }
    }
}

impl Set {
    /// An empty set or map of this type.
    pub(crate) fn new(kind: &str) -> Set {
        Set { kind: kind.to_owned(), interval: false, elements: BTreeMap::new() }
    }

    /// An empty set of ranges.
    pub(crate) fn ranges(kind: &str) -> Set {
        Set { interval: true, ..Set::new(kind) }
    }

    /// Adds an element of a set.
    pub(crate) fn add(&mut self, key: impl Into<Vec<Value>>) {
        self.elements.insert(key.into(), None);
    }

    /// Adds an element of a map.
    pub(crate) fn map(&mut self, key: impl Into<Vec<Value>>, data: Data) {
        self.elements.insert(key.into(), Some(data));
    }

    fn is_map(&self) -> bool {
        self.kind.contains(" : ")
    }

    fn declaration(&self) -> String {
        let word = if self.is_map() { "map" } else { "set" };
        let flags = if self.interval { " flags interval;" } else { "" };
        format!("{word} %name% {{ {};{flags} }}", self.kind)
    }
}

impl Table {
    /// The set of this name, made by `new` if there is none yet.
    pub(crate) fn set(&mut self, name: &str, kind: &str) -> &mut Set {
        self.sets.entry(name.to_owned()).or_insert_with(|| Set::new(kind))
    }

    /// Adds a chain that others jump to.
    pub(crate) fn chain(&mut self, name: impl Into<String>, rules: Vec<String>) {
        self.chains.insert(name.into(), Chain { hook: None, rules });
    }

    /// Adds a chain that packets come to at a hook.
    pub(crate) fn base_chain(&mut self, name: &str, hook: &'static str, rules: &[&str]) {
        let rules = rules.iter().map(|&rule| rule.to_owned()).collect();
        self.chains.insert(name.to_owned(), Chain { hook: Some(hook), rules });
    }
}

impl Ruleset {
    /// The table of this name, empty if it is new.
    pub(crate) fn table(&mut self, family: Family, name: &str) -> &mut Table {
        self.tables.entry((family, name.to_owned())).or_default()
    }

    /// Commands that make a namespace's tables these, whatever they were before, in one transaction.
    pub(crate) fn commands(&self) -> String {
        let mut text = String::new();
        for (family, table) in self.tables.keys() {
            // Adding first makes deleting succeed on a fresh namespace.
            let _ = writeln!(text, "add table {family} {table}\ndelete table {family} {table}");
        }
        for ((family, name), table) in &self.tables {
            let _ = writeln!(text, "add table {family} {name}");
            write_change(&mut text, &format!("{family} {name}"), &Table::default(), table);
        }
        text
    }

    /// The way from this ruleset, which the namespace holds, to another.
    pub(crate) fn change_to(&self, wanted: &Ruleset) -> Change {
        if self == wanted {
            return Change::Nothing;
        }
        let same_tables = self.tables.keys().eq(wanted.tables.keys());
        let pairs = || self.tables.iter().zip(wanted.tables.values());
        if same_tables && pairs().all(|((_, old), new)| only_elements_differ(old, new)) {
            let changes = pairs().flat_map(|((id, old), new)| element_changes(id, old, new));
            return Change::Elements(changes.collect());
        }
        let mut text = String::new();
        for (family, name) in self.tables.keys().filter(|id| !wanted.tables.contains_key(*id)) {
            let _ = writeln!(text, "delete table {family} {name}");
        }
        let empty = Table::default();
        for (id, new) in &wanted.tables {
            let table = format!("{} {}", id.0, id.1);
            if !self.tables.contains_key(id) {
                let _ = writeln!(text, "add table {table}");
            }
            write_change(&mut text, &table, self.tables.get(id).unwrap_or(&empty), new);
        }
        Change::Commands(text)
    }
}

fn only_elements_differ(old: &Table, new: &Table) -> bool {
    let same_set = |(a, b): (&Set, &Set)| {
        a.kind == b.kind && a.interval == b.interval && (!a.interval || a.elements == b.elements)
    };
    old.chains == new.chains
        && old.sets.keys().eq(new.sets.keys())
        && old.sets.values().zip(new.sets.values()).all(same_set)
}

fn element_changes((family, table): &(Family, String), old: &Table, new: &Table) -> Vec<ElementChange> {
    let mut changes = Vec::new();
    for (set, (before, after)) in old.sets.keys().zip(old.sets.values().zip(new.sets.values())) {
        let (removed, added) = element_difference(before, after);
        if !(removed.is_empty() && added.is_empty()) {
            let (table, set) = (table.clone(), set.clone());
            changes.push(ElementChange { family: *family, table, set, removed, added });
        }
    }
    changes
}

type Elements = BTreeMap<Vec<Value>, Option<Data>>;

/// Elements to remove and to add; one whose value changed is in both.
fn element_difference(old: &Set, new: &Set) -> (Elements, Elements) {
    let without = |these: &Elements, those: &Elements| {
        let missing = these.iter().filter(|(key, data)| those.get(*key) != Some(data));
        missing.map(|(key, data)| (key.clone(), data.clone())).collect()
    };
    (without(&old.elements, &new.elements), without(&new.elements, &old.elements))
}

/// Writes the commands from one table to another, in the order nft needs: what is referred to comes before what
/// refers to it, and goes after it.
fn write_change(text: &mut String, table: &str, old: &Table, new: &Table) {
    let kept = |name: &String, set: &Set| {
        old.sets.get(name).is_some_and(|o| o.kind == set.kind && o.interval == set.interval)
    };
    for (name, set) in new.sets.iter().filter(|(name, set)| !kept(name, set)) {
        if old.sets.contains_key(name) {
            // A set's type does not change while rules refer to it; our types are fixed by name.
            let _ = writeln!(text, "delete set {table} {name}");
        }
        let declaration = set.declaration();
        let (word, rest) = declaration.split_once(" %name% ").unwrap_or(("set", ""));
        let _ = writeln!(text, "add {word} {table} {name} {rest}");
    }
    for (name, chain) in new.chains.iter().filter(|(name, _)| !old.chains.contains_key(*name)) {
        let hook = chain.hook.map(|hook| format!(" {{ {hook} }}")).unwrap_or_default();
        let _ = writeln!(text, "add chain {table} {name}{hook}");
    }
    let changed = |(name, chain): &(&String, &Chain)| old.chains.get(*name) != Some(*chain);
    for (name, chain) in &old.chains {
        if new.chains.get(name) != Some(chain) {
            let _ = writeln!(text, "flush chain {table} {name}");
        }
    }
    for (name, set) in &old.sets {
        let empty = Set::new("");
        let after = new.sets.get(name).unwrap_or(&empty);
        write_elements(text, "delete", table, name, &element_difference(set, after).0);
    }
    for (name, chain) in new.chains.iter().filter(changed) {
        for rule in &chain.rules {
            let _ = writeln!(text, "add rule {table} {name} {rule}");
        }
    }
    for (name, set) in &new.sets {
        let empty = Set::new("");
        let before = old.sets.get(name).unwrap_or(&empty);
        write_elements(text, "add", table, name, &element_difference(before, set).1);
    }
    for name in old.chains.keys().filter(|name| !new.chains.contains_key(*name)) {
        let _ = writeln!(text, "delete chain {table} {name}");
    }
    for (name, set) in old.sets.iter().filter(|(name, _)| !new.sets.contains_key(*name)) {
        let word = if set.is_map() { "map" } else { "set" };
        let _ = writeln!(text, "delete {word} {table} {name}");
    }
}

fn write_elements(text: &mut String, verb: &str, table: &str, set: &str, elements: &Elements) {
    if elements.is_empty() {
        return;
    }
    let _ = write!(text, "{verb} element {table} {set} {{ ");
    for (at, (key, data)) in elements.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let key: Vec<String> = key.iter().map(Value::to_string).collect();
        let _ = write!(text, "{comma}{}", key.join(" . "));
        if let Some(data) = data {
            let _ = write!(text, " : {data}");
        }
    }
    text.push_str(" }\n");
}
