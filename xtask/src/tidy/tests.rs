//! Each rule against a line that breaks it and one that does not.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Source, manifests, migrations, sources};

/// The rules that a file breaks; it opens with a module doc if it is Rust.
fn check_at(path: &str, text: &str) -> Vec<String> {
    let declares = Source { path: "crates/network/src/lib.rs".into(), text: "//! Doc.\nmod port;\n".into() };
    let text = if path.ends_with(".rs") { format!("//! Doc.\n{text}\n") } else { text.into() };
    let file = Source { path: path.into(), text };
    let all = [declares, file];
    let found = if path.ends_with(".rs") { sources::check(&all) } else { manifests::check(&all).unwrap() };
    found.into_iter().filter(|v| v.rule != "no `mod` names this file").map(|v| v.rule).collect()
}

fn check(path: &str, text: &str, broken: bool) {
    let rules = check_at(path, text);
    assert_eq!(!rules.is_empty(), broken, "{path}: {text}: {rules:?}");
}

#[test]
fn words() {
    check("crates/network/src/port/ops.rs", "let tenant_id = 1;", true);
    check("crates/network/src/port/api.rs", "json!({\"tenant_id\": port.project_id})", false);
    check("crates/network/src/port/model.rs", "pub struct PortManager {", true);
    check("crates/network/src/port/model.rs", "pub struct Port {", false);
    check("crates/network/src/port/ops.rs", "pub fn get_port() {}", true);
    check("crates/network/src/port/ops.rs", "pub fn target_port() {}", false);
}

#[test]
fn places() {
    check("crates/network/src/port/ops.rs", "tx.run(\"SELECT id FROM ports\")", true);
    check("crates/network/src/port/store.rs", "tx.run(\"SELECT id FROM ports\")", false);
    check("crates/network/src/port/ops.rs", "/// \"SELECT a port\", says the manual", false);
    check("crates/network/src/port/ops.rs", "use axum::Json;", true);
    check("crates/network/src/port/api.rs", "use axum::Json;", false);
    check("crates/network/src/port/ops.rs", "use rest::http::Fault;", false);
    check("crates/network/src/router/model.rs", "use serde_json::Value;", true);
}

#[test]
fn notes_and_unwraps() {
    let mark = concat!("TO", "DO");
    check("crates/network/src/port/ops.rs", &format!("// {mark}: later"), true);
    check("crates/network/src/port/ops.rs", &format!("// {mark}(#12): later"), false);
    check("crates/network/src/port/ops.rs", "let x = y.unwrap();", true);
    check("crates/network/src/port/tests.rs", "let x = y.unwrap();", false);
    check(
        "crates/network/src/port/ops.rs",
        "#[cfg(test)]\nmod tests {\n    fn f() { y.unwrap(); }\n}",
        false,
    );
    check("crates/network/src/port/ops.rs", concat!("let x = \"/ho", "me/me/x\";"), true);
}

#[test]
fn unsafe_blocks() {
    check("crates/network/src/port/ops.rs", "// SAFETY: no\nlet x = unsafe { y };", true);
    check("crates/linux-net/src/tap.rs", "let x = unsafe { y };", true);
    check("crates/linux-net/src/tap.rs", "// SAFETY: y is open.\nlet x = unsafe { y };", false);
}

#[test]
fn sizes_and_module_docs() {
    check("crates/network/src/port/ops.rs", &"let x = 1;\n".repeat(600), true);
    check("crates/network/src/port/tests.rs", &"let x = 1;\n".repeat(600), false);
    let bare = Source { path: "crates/network/src/lib.rs".into(), text: "fn f() {}\n".into() };
    assert_eq!(sources::check(&[bare]).len(), 1);
}

#[test]
fn files_that_nothing_names() {
    let of = |path: &str, text: &str| Source { path: path.into(), text: format!("//! Doc.\n{text}") };
    let named = [
        of("crates/a/src/lib.rs", "pub mod b;\n"),
        of("crates/a/src/b.rs", "mod c;\n"),
        of("crates/a/src/b/c.rs", ""),
    ];
    assert_eq!(sources::check(&named), []);
    let dead = [of("crates/a/src/lib.rs", ""), of("crates/a/src/b.rs", "")];
    assert_eq!(sources::check(&dead).len(), 1);
}

#[test]
fn directions() {
    let manifest =
        |dependencies: &str| format!("[dependencies]\n{dependencies}\n[lints]\nworkspace = true\n");
    let check = |name: &str, dependency: &str, broken| {
        let text = manifest(&format!("{dependency} = \"1\""));
        check(&format!("crates/{name}/Cargo.toml"), &text, broken);
    };
    check("compute", "network", false);
    check("network", "compute", true);
    check("image", "storage", false);
    check("network", "linux-net", true);
    check("agent", "linux-net", false);
    check("agent", "store", true);
    check("types", "runtime", true);
    check("network", "rusqlite", true);
    check("store", "rusqlite", false);
    check("unheard-of", "types", true);
    check("cuttle", "compute", false);
}

#[test]
fn a_manifest_takes_the_lints() {
    check("crates/network/Cargo.toml", "[dependencies]\n", true);
}

#[test]
fn migrations_stay_as_they_are() {
    let record = |pairs: &[(&str, &str)]| -> BTreeMap<PathBuf, String> {
        pairs.iter().map(|(path, sum)| (PathBuf::from(path), sum.to_string())).collect()
    };
    let recorded = record(&[("a.sql", "1"), ("b.sql", "2")]);
    assert_eq!(migrations::compare(&recorded, &recorded), []);
    assert_eq!(migrations::compare(&recorded, &record(&[("a.sql", "9"), ("b.sql", "2")])).len(), 1);
    assert_eq!(migrations::compare(&recorded, &record(&[("a.sql", "1")])).len(), 1);
    assert_eq!(migrations::compare(&record(&[]), &recorded).len(), 2);
}
