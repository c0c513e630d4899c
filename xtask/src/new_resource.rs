//! The folder of a new resource in the project's shape, and the lines by which its service comes to know it.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{self, Failure, Outcome, doing, failed};

/// What a file of the new folder is called, and what is in it; the words between `@` depend on the resource.
const FILES: &[(&str, &str)] = &[
    ("mod.rs", include_str!("new_resource/mod.txt")),
    ("api.rs", include_str!("new_resource/api.txt")),
    ("model.rs", include_str!("new_resource/model.txt")),
    ("ops.rs", include_str!("new_resource/ops.txt")),
    ("store.rs", include_str!("new_resource/store.txt")),
    ("tests.rs", include_str!("new_resource/tests.txt")),
    ("golden/life.http", include_str!("new_resource/life.txt")),
];
const MIGRATION: &str = include_str!("new_resource/migration.txt");

/// The ways of the services that upstream has given them: where paths begin, what rules are called, how one updates.
const WAYS: &[Ways] = &[
    Ways { service: "identity", root: "/v3", rule: "identity:@verb@_@rule@", update: "patch" },
    Ways { service: "image", root: "/v2", rule: "@verb@_@rule@", update: "patch" },
    Ways { service: "placement", root: "", rule: "placement:@plural@:@verb@", update: "put" },
    Ways { service: "network", root: "/v2.0", rule: "@verb@_@rule@", update: "put" },
    Ways { service: "block-storage", root: "/v3", rule: "volume:@verb@_@rule@", update: "put" },
    Ways { service: "compute", root: "", rule: "os_compute_api:@plural@:@verb@", update: "put" },
    Ways {
        service: "load-balancer",
        root: "/v2",
        rule: "os_load-balancer_api:@snake@:@verb@",
        update: "put",
    },
];

struct Ways {
    service: &'static str,
    root: &'static str,
    rule: &'static str,
    update: &'static str,
}

/// A line that somebody has to add to a file that is there.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    /// The file, from the project's root.
    file: PathBuf,
    /// The line after which it goes, if this program can tell.
    after: Option<String>,
    /// The line itself.
    text: String,
}

/// Everything that a new resource consists of.
#[derive(Debug)]
struct Plan {
    /// New files by their paths from the project's root.
    files: Vec<(PathBuf, String)>,
    /// Lines for files that are there.
    lines: Vec<Line>,
    /// What cannot be said in a line.
    notes: Vec<String>,
}

/// Writes the folder, and says what is left to do.
pub fn run(arguments: &[String]) -> Outcome {
    let [service, name] = arguments else {
        return Err(Failure::Usage("new-resource takes a service and a name: network trunk".into()));
    };
    let root = project::root();
    let plan = plan(&root, service, name)?;
    write(&root, &plan)?;
    for (path, _) in &plan.files {
        println!("wrote {}", path.display());
    }
    println!("\nAdd these lines; the migration's sum is recorded by cargo xtask tidy --accept-migrations:");
    for line in &plan.lines {
        let place =
            line.after.as_ref().map_or("beside its kind".into(), |line| format!("after `{}`", line.trim()));
        println!("\n{}, {place}:\n{}", line.file.display(), line.text);
    }
    for note in &plan.notes {
        println!("\n{note}");
    }
    Ok(())
}

fn write(root: &Path, plan: &Plan) -> Outcome {
    for (path, text) in &plan.files {
        let path = root.join(path);
        if path.exists() {
            return Err(failed(format!("{} is there already", path.display())));
        }
        let folder = path.parent().unwrap_or(root);
        doing(format!("cannot make {}", folder.display()), fs::create_dir_all(folder))?;
        doing(format!("cannot write {}", path.display()), fs::write(&path, text))?;
    }
    // A name's length decides where lines break.
    let rust =
        plan.files.iter().map(|(path, _)| path).filter(|path| path.extension().is_some_and(|e| e == "rs"));
    project::run(Command::new("rustfmt").args(["--edition", "2024"]).args(rust).current_dir(root))
}

/// What is to be written and added for a resource of this name.
fn plan(root: &Path, service: &str, name: &str) -> Outcome<Plan> {
    let ways = WAYS.iter().find(|ways| ways.service == service).ok_or_else(|| {
        let known: Vec<&str> = WAYS.iter().map(|ways| ways.service).collect();
        Failure::Usage(format!("there is no service {service}; there are {}", known.join(", ")))
    })?;
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if !is_name {
        return Err(Failure::Usage(format!("{name} is no name such as trunk or address_group")));
    }
    let source = Path::new("crates").join(service).join("src");
    if root.join(&source).join(name).exists() {
        return Err(failed(format!("{} is there already", source.join(name).display())));
    }
    let policies = match root.join(&source).join("policy.rs").exists() {
        true => "policy",
        false => "policies",
    };
    let words = words(ways, name, policies);
    let number = next_number(&root.join("crates").join(service).join("migrations"))?;
    let migration = format!("{number:04}_{}.sql", plural(name));
    let mut files: Vec<(PathBuf, String)> =
        FILES.iter().map(|(file, text)| (source.join(name).join(file), filled(text, &words))).collect();
    files.push((
        Path::new("crates").join(service).join("migrations").join(&migration),
        filled(MIGRATION, &words),
    ));
    let lines = Lines { root, source: &source, words: &words };
    let mut plan = Plan { files, lines: lines.all(service, name, policies, &migration)?, notes: Vec::new() };
    let errors = doing("cannot read error.rs", fs::read_to_string(root.join(&source).join("error.rs")))?;
    if !errors.contains("fn not_found(kind") {
        plan.notes.push(format!(
            "{}: ops.rs wants `Error::not_found(kind: &'static str, id: impl ToString)`, a 404 in this service's words.",
            source.join("error.rs").display()
        ));
    }
    Ok(plan)
}

/// What stands between `@` in the files, and for what.
fn words(ways: &Ways, name: &str, policies: &str) -> Vec<(&'static str, String)> {
    let plural = plural(name);
    let rule = |verb: &str, object: &str| {
        let rule = ways.rule.replace("@verb@", verb).replace("@rule@", object);
        rule.replace("@plural@", &plural).replace("@snake@", name)
    };
    let capital = |text: &str| {
        let mut letters = text.chars();
        letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect::<String>())
    };
    let spaced = |text: &str| text.replace('_', " ");
    vec![
        ("@name@", spaced(name)),
        ("@names@", spaced(&plural)),
        ("@Names@", capital(&spaced(&plural))),
        ("@Name@", name.split('_').map(capital).collect()),
        ("@NAMES@", plural.to_uppercase()),
        ("@snake@", name.to_owned()),
        ("@plural@", plural.clone()),
        ("@service@", ways.service.to_owned()),
        ("@table@", format!("{}_{plural}", ways.service.replace('-', "_"))),
        ("@path@", format!("{}/{}", ways.root, plural)),
        ("@policies@", policies.to_owned()),
        ("@method@", ways.update.to_owned()),
        ("@METHOD@", ways.update.to_uppercase()),
        ("@create@", rule("create", name)),
        ("@get@", rule("get", name)),
        ("@list@", rule("list", &plural)),
        ("@update@", rule("update", name)),
        ("@delete@", rule("delete", name)),
    ]
}

fn filled(text: &str, words: &[(&'static str, String)]) -> String {
    words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
}

fn plural(name: &str) -> String {
    let hisses = ["s", "x", "ch", "sh"].iter().any(|end| name.ends_with(end));
    match name.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if hisses => format!("{name}es"),
        _ => format!("{name}s"),
    }
}

/// The number after the last migration's.
fn next_number(folder: &Path) -> Outcome<u32> {
    let what = format!("cannot list {}", folder.display());
    let mut last = 0;
    for entry in doing(&what, fs::read_dir(folder))? {
        let name = doing(&what, entry)?.file_name().to_string_lossy().into_owned();
        last = last.max(name.get(..4).and_then(|number| number.parse().ok()).unwrap_or(0));
    }
    Ok(last + 1)
}

/// Where a service lists what it has.
struct Lines<'l> {
    root: &'l Path,
    source: &'l Path,
    words: &'l [(&'static str, String)],
}

impl Lines<'_> {
    fn all(&self, service: &str, name: &str, policies: &str, migration: &str) -> Outcome<Vec<Line>> {
        let number = migration.split('_').next().and_then(|n| n.parse::<u32>().ok()).unwrap_or_default();
        let declared = |line: &str| {
            let name = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?.strip_suffix(';')?;
            Some(name.to_owned())
        };
        let before = |line: &str| declared(line).is_some_and(|other| other.as_str() < name);
        let known = |line: &str| {
            line.ends_with(',') && (line.starts_with("    migration(") || line.starts_with("    Migration {"))
        };
        let step = match self.text("lib.rs")?.contains("const fn migration(") {
            true => format!("    migration({number}, include_str!(\"../migrations/{migration}\")),"),
            false => format!(
                "    Migration {{ service: \"{service}\", version: {number}, sql: include_str!(\"../migrations/{migration}\") }},"
            ),
        };
        let rules = ["create", "get", "list", "update", "delete"].map(|verb| {
            let rule = filled(&format!("@{verb}@"), self.words);
            format!("    (\"{rule}\", ADMIN),")
        });
        let mut lines = vec![
            self.line("lib.rs", before, format!("mod {name};"))?,
            self.line("lib.rs", known, step)?,
            self.line(
                "lib.rs",
                |line| line.contains("Routes::new()"),
                format!("        .and({name}::api::routes())"),
            )?,
            self.line(&format!("{policies}.rs"), |line| line.contains("RULES: Rules"), rules.join("\n"))?,
        ];
        if service == "identity" {
            let relations =
                "    (\"/@plural@\", \"rel/@plural@\"),\n    (\"/@plural@/{@snake@_id}\", \"rel/@snake@\"),";
            let text = filled(relations, self.words);
            lines.push(self.line("version/relations.rs", |line| line.contains("const RELATIONS"), text)?);
        }
        Ok(lines)
    }

    fn text(&self, file: &str) -> Outcome<String> {
        let path = self.root.join(self.source).join(file);
        doing(format!("cannot read {}", path.display()), fs::read_to_string(&path))
    }

    /// A line for `file`, after the last one that is its like.
    fn line(&self, file: &str, like: impl Fn(&str) -> bool, text: String) -> Outcome<Line> {
        let path = self.source.join(file);
        let whole = self.text(file)?;
        let after = whole.lines().filter(|line| like(line)).last().map(str::to_owned);
        Ok(Line { file: path, after, text })
    }
}
