//! A new resource in a tree in memory, and in a copy of this project that is really built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Plan, plan, plural, write};
use crate::project;
use crate::tidy::violations_of;

#[test]
fn names_have_plurals() {
    let check = |name: &str, expected: &str| assert_eq!(plural(name), expected);
    check("trunk", "trunks");
    check("policy", "policies");
    check("key", "keys");
    check("address", "addresses");
    check("switch", "switches");
    check("address_group", "address_groups");
}

#[test]
fn what_cannot_be_is_refused() {
    let root = project::root();
    let check = |service: &str, name: &str, expected: &str| {
        let failure = plan(&root, service, name).unwrap_err().to_string();
        assert!(failure.contains(expected), "{failure}");
    };
    check("dashboard", "trunk", "there is no service dashboard");
    check("identity", "Trunk", "no name such as");
    check("identity", "trunk-2", "no name such as");
    check("identity", "region", "is there already");
}

/// In every service; where the lines go can be told in those that list one thing a line.
#[test]
fn a_new_resource_keeps_the_house_rules() {
    let root = project::root();
    for service in ["identity", "image", "placement", "network", "block-storage", "compute"] {
        let plan = plan(&root, service, "sea_lily").unwrap();
        let lib = Path::new("crates").join(service).join("src/lib.rs");
        let nowhere = plan.lines.iter().filter(|line| line.after.is_none()).count();
        assert!(nowhere == 0 || !["identity", "network"].contains(&service), "{service}: {:?}", plan.lines);
        let mut files = plan.files.clone();
        for (path, text) in &files {
            assert!(
                !text.contains('@') || path.extension().is_some_and(|e| e == "http"),
                "{}",
                path.display()
            );
        }
        files.push((lib, "//! Doc.\nmod sea_lily;\n".to_owned()));
        assert_eq!(violations_of(files), Vec::<String>::new(), "{service}");
        let has_note = !plan.notes.is_empty();
        assert_eq!(has_note, service != "identity", "{service}: {:?}", plan.notes);
    }
}

/// With the lines that it asks for, the new resource is built and passes its own test.
#[test]
fn a_new_resource_works_at_once() {
    if std::env::var_os("CUTTLE_TEST_ALL").is_none() {
        return println!("skipped: a_new_resource_works_at_once: builds identity anew; asked for by --all");
    }
    // This program is in `target/debug/deps`.
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_path_buf();
    let copy = target.join("new-resource");
    drop(fs::remove_dir_all(&copy));
    for part in ["crates", "xtask"] {
        copy_sources(&project::root().join(part), &copy.join(part));
    }
    for file in ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "rustfmt.toml", "clippy.toml"] {
        fs::copy(project::root().join(file), copy.join(file)).unwrap();
    }
    let plan = plan(&copy, "identity", "sea_lily").unwrap();
    write(&copy, &plan).unwrap();
    add_lines(&copy, &plan);
    let cargo = |arguments: &str| {
        let mut cargo = Command::new("cargo");
        cargo.args(arguments.split(' ')).current_dir(&copy).env("CARGO_TARGET_DIR", &target);
        assert!(cargo.status().unwrap().success(), "cargo {arguments}");
    };
    cargo("fmt -p identity --check");
    cargo("test --offline -p identity -- sea_lily json_home_tells");
    fs::remove_dir_all(&copy).unwrap();
}

fn copy_sources(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target: PathBuf = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_sources(&path, &target),
            false => drop(fs::copy(&path, &target).unwrap()),
        }
    }
}

fn add_lines(root: &Path, plan: &Plan) {
    for line in &plan.lines {
        let path = root.join(&line.file);
        let before = fs::read_to_string(&path).unwrap();
        let place = format!("{}\n", line.after.as_ref().unwrap());
        let after = before.replacen(&place, &format!("{place}{}\n", line.text), 1);
        assert_ne!(before, after, "{}", path.display());
        fs::write(&path, after).unwrap();
    }
}
