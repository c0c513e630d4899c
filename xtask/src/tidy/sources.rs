//! Rules about Rust files: sizes, module docs, words, and what belongs into which file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Source, Violation};

const FILE_LINES_MAX: usize = 600;
const CRATE_LINES_MAX: usize = 25_000;
/// Crates that may hold `unsafe` blocks: they talk to the kernel.
pub(super) const UNSAFE_CRATES: &[&str] = &["linux-net", "hypervisor", "storage"];
/// Crates that may name the HTTP library beside `rest`; services name it in `api.rs`.
const HTTP_CRATES: &[&str] = &["rest", "dashboard", "cuttle", "bench", "sim", "xtask"];
/// `http::` is not among them: modules are called so too. Manifests tell who depends on it.
const HTTP_LIBRARIES: &[&str] = &["axum::", "http_body_util::", "hyper::"];
const SQL_BEGINNINGS: &[&str] =
    &["SELECT ", "INSERT INTO ", "INSERT OR ", "UPDATE ", "DELETE FROM ", "CREATE TABLE ", "ALTER TABLE "];
/// Crates that may hold SQL anywhere: the store itself, `nodes`, whose tables have a file each, the simulation, which looks
/// behind the services, and this one, which looks for it.
const SQL_CRATES: &[&str] = &["store", "nodes", "sim", "xtask"];
/// Models that hold JSON because that is what their users store in them.
const JSON_MODELS: &[&str] = &[
    "crates/identity/src/domain_config/model.rs",
    "crates/identity/src/federation/mapping/model.rs",
    "crates/identity/src/policy_document/model.rs",
    "crates/network/src/port/model.rs",
];
/// Endings that say nothing about what a type is.
const EMPTY_ENDINGS: &[&str] = &["Manager", "Handler", "Helper", "Impl", "Info", "Data"];
/// File names that say nothing about what is inside.
const EMPTY_FILES: &[&str] = &["common", "utils", "util", "helpers", "misc"];
/// Folders of somebody's own machine. In two parts, so that this line does not break its own rule.
const FOREIGN_FOLDERS: &[&str] = &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Use", "rs/")];

pub(super) fn check(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut crate_lines = BTreeMap::<String, usize>::new();
    let rust = || sources.iter().filter(|s| s.path.extension().is_some_and(|e| e == "rs"));
    for source in rust() {
        let file = File::of(source);
        check_file(&file, &mut violations);
        if !file.is_test {
            *crate_lines.entry(file.krate.clone()).or_default() += file.lines.len();
        }
    }
    for (name, lines) in crate_lines {
        if lines > CRATE_LINES_MAX {
            let folder = Path::new("crates").join(name);
            violations.push(Violation::new(&folder, 0, format!("{lines} lines; at most {CRATE_LINES_MAX}")));
        }
    }
    check_dead_files(rust(), &mut violations);
    violations
}

/// A Rust file, tests apart.
struct File<'a> {
    path: &'a Path,
    /// The crate's folder.
    krate: String,
    /// The file's name without its ending.
    stem: String,
    is_test: bool,
    /// The lines up to a test module at the end.
    lines: Vec<&'a str>,
}

impl File<'_> {
    fn of(source: &Source) -> File<'_> {
        let parts: Vec<_> = source.path.iter().map(|c| c.to_string_lossy().into_owned()).collect();
        let krate =
            if parts[0] == "crates" { parts.get(1).cloned().unwrap_or_default() } else { parts[0].clone() };
        let stem = source.path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let is_test = krate == "testkit"
            || stem == "tests"
            || stem.ends_with("_tests")
            || parts.iter().any(|p| p == "tests");
        let lines = lines_before_tests(&source.text);
        File { path: &source.path, krate, stem, is_test, lines }
    }
}

fn lines_before_tests(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines
        .windows(2)
        .position(|w| w[0] == "#[cfg(test)]" && w[1].starts_with("mod ") && w[1].ends_with('{'));
    lines[..tests.unwrap_or(lines.len())].to_vec()
}

fn check_file(file: &File<'_>, violations: &mut Vec<Violation>) {
    let mut whole = |rule: String| violations.push(Violation::new(file.path, 0, rule));
    if EMPTY_FILES.contains(&file.stem.as_str()) {
        whole(format!("`{}` says nothing about what is inside", file.stem));
    }
    if !file.is_test {
        if file.lines.len() > FILE_LINES_MAX {
            whole(format!("{} lines; at most {FILE_LINES_MAX}", file.lines.len()));
        }
        if !file.lines.iter().find(|l| !l.trim().is_empty()).is_some_and(|l| l.starts_with("//! ")) {
            whole("a module opens with a sentence that says what it is (`//! …`)".into());
        }
    }
    for (index, line) in file.lines.iter().enumerate() {
        for rule in line_rules(file, index, line) {
            violations.push(Violation::new(file.path, index + 1, rule));
        }
    }
}

/// The rules that a line breaks.
fn line_rules(file: &File<'_>, index: usize, line: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let code = line.split("//").next().unwrap_or_default();
    let krate = file.krate.as_str();
    if let Some(rule) = unfinished(line) {
        broken.push(rule);
    }
    if let Some(folder) = FOREIGN_FOLDERS.iter().find(|f| line.contains(**f)) {
        broken.push(format!("{folder} is a folder of somebody's own machine"));
    }
    if file.is_test {
        return broken;
    }
    if krate != "xtask" && names_tenant(code) {
        broken.push(
            "say project; `tenant` is a word of OpenStack's JSON, rules and paths, in quotes only".into(),
        );
    }
    if let Some(name) = declared(code)
        && let Some(ending) = EMPTY_ENDINGS.iter().find(|e| name.ends_with(**e))
    {
        broken.push(format!("`{name}`: {ending} says nothing; name what it is or write a function"));
    }
    if code.contains(concat!("fn ", "get_")) {
        broken.push("`get_` is not used: load, show, list or a noun".into());
    }
    if !SQL_CRATES.contains(&krate) && file.stem != "store" && holds_sql(code) {
        broken.push("SQL belongs into store.rs".into());
    }
    if !HTTP_CRATES.contains(&krate)
        && file.stem != "api"
        && HTTP_LIBRARIES.iter().any(|l| names_path(code, l))
    {
        broken.push("the HTTP library belongs into rest and api.rs".into());
    }
    let may_hold_json = file.stem != "model" || JSON_MODELS.iter().any(|f| file.path == Path::new(f));
    if !may_hold_json && names_path(code, "serde_json::") {
        broken.push("a model knows no JSON beyond its derives".into());
    }
    if (code.contains(".unwrap()") || code.contains(".expect(\"")) && krate != "xtask" {
        broken.push("no unwrap and no expect outside tests".into());
    }
    if krate != "xtask" && (code.contains("unsafe {") || code.contains("unsafe impl")) {
        if !UNSAFE_CRATES.contains(&krate) {
            broken.push(format!("unsafe is for {}", UNSAFE_CRATES.join(", ")));
        } else if !explained(&file.lines, index) {
            broken.push("an unsafe block says why it is sound: `// SAFETY: …` above it".into());
        }
    }
    broken
}

/// A note about unfinished work, unless it names its issue.
fn unfinished(line: &str) -> Option<String> {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let comment = &line[line.find("//")?..];
    let mark = marks.iter().find(|m| has_word(comment, m))?;
    let after = comment.split(*mark).nth(1).unwrap_or_default();
    let numbered = after.split('#').nth(1).is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()));
    (!numbered).then(|| format!("a {mark} carries its issue: {mark}(#12)"))
}

/// Whether the comment above an unsafe block, up to some lines of code apart, explains it.
fn explained(lines: &[&str], index: usize) -> bool {
    lines[index.saturating_sub(6)..=index].iter().any(|l| l.contains("SAFETY:"))
}

/// Whether the word stands outside of quotes.
fn names_tenant(code: &str) -> bool {
    let unquoted: String = code.split('"').step_by(2).collect();
    unquoted.to_ascii_lowercase().contains("tenant")
}

/// The name of the public type that a line declares; within a crate a name may lean on its module's.
fn declared(code: &str) -> Option<&str> {
    let mut words = code.strip_prefix("pub ")?.split_whitespace();
    if !["struct", "enum", "trait"].contains(&words.next()?) {
        return None;
    }
    words.next().map(|n| n.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(n))
}

fn holds_sql(code: &str) -> bool {
    code.split('"').skip(1).step_by(2).any(|text| {
        let text = text.trim_start();
        SQL_BEGINNINGS.iter().any(|b| text.starts_with(b))
    })
}

/// Whether a path such as `http::` is named as a crate, not as the end of another name.
fn names_path(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == word)
}

/// Files that no other file declares with `mod`.
fn check_dead_files<'a>(rust: impl Iterator<Item = &'a Source>, violations: &mut Vec<Violation>) {
    let sources: Vec<&Source> = rust.collect();
    let mut declared = BTreeSet::<PathBuf>::new();
    for source in &sources {
        let folder = module_folder(&source.path);
        for name in source.text.lines().filter_map(declared_module) {
            declared.insert(folder.join(format!("{name}.rs")));
            declared.insert(folder.join(name).join("mod.rs"));
        }
        // `#[path = "x.rs"]` counts from the folder of the file.
        for given in
            source.text.lines().filter_map(|l| l.trim().strip_prefix("#[path = \"")?.strip_suffix("\"]"))
        {
            declared.insert(source.path.with_file_name(given));
        }
    }
    for source in sources {
        let name = source.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let parent = source.path.parent().and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned());
        let is_root = ["main.rs", "lib.rs"].contains(&name.as_str());
        let is_binary = parent.as_deref() == Some("bin");
        if !is_root && !is_binary && !declared.contains(&source.path) {
            violations.push(Violation::new(&source.path, 0, "no `mod` names this file"));
        }
    }
}

/// Where the files of the modules that a file declares are.
fn module_folder(path: &Path) -> PathBuf {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    match name.as_str() {
        "main.rs" | "lib.rs" | "mod.rs" => path.parent().unwrap_or(path).to_path_buf(),
        _ => path.with_extension(""),
    }
}

fn declared_module(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub(super) ")).unwrap_or(line);
    let line = line.strip_prefix("pub ").unwrap_or(line);
    line.strip_prefix("mod ")?.split(';').next().filter(|n| !n.contains(['{', ' ']))
}
