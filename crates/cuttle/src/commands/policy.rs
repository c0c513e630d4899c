//! `cuttle policy`: the rules there are, and why one says yes or no.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use identity::Place;
use policy::{Attributes, Caller, Rules, Scope, Value};
use store::{Config as StoreConfig, Store};

use crate::cli::Which;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::policy_file::PolicyFile;
use crate::services;

/// What wrong usage exits with, as clap does.
const USAGE: u8 = 2;
/// The roles that come with one another, from the one that has all.
const CHAIN: [&str; 4] = ["admin", "manager", "member", "reader"];

/// List the rules, or ask one.
#[derive(Debug, Args)]
pub struct PolicyCommand {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the rules with their defaults, of one service or of all
    List {
        /// identity, image, placement, network, block-storage or compute
        service: Option<String>,
    },
    /// Print a policy file in which every default stands as a comment
    Sample,
    /// Say whether a rule allows it and why: exits with 0 if it does, with 1 if not
    Explain(Explain),
}

/// The question.
#[derive(Debug, Args)]
struct Explain {
    #[command(flatten)]
    which: Which,
    /// The rule's name, as `identity:create_user`
    rule: String,
    /// Who asks: ROLE[,ROLE]@SCOPE or user:NAME@SCOPE, where SCOPE is system, domain:ID, project:ID or none
    #[arg(long = "as", value_name = "WHO@SCOPE")]
    who: String,
    /// An attribute of what it is about, such as target.user.domain_id=default or target.role.domain_id=None
    #[arg(long = "target", value_name = "NAME=VALUE")]
    target: Vec<String>,
    /// The configuration file that `cuttle up` runs with
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl PolicyCommand {
    /// Prints it.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.act {
            Act::List { service } => Ok(list(service.as_deref())),
            Act::Sample => {
                sample();
                Ok(ExitCode::SUCCESS)
            }
            Act::Explain(explain) => explain.run(),
        }
    }
}

fn list(service: Option<&str>) -> ExitCode {
    let wanted: Vec<_> =
        services::rules().into_iter().filter(|(name, _)| service.is_none_or(|s| s == *name)).collect();
    if wanted.is_empty() {
        let names: Vec<&str> = services::rules().iter().map(|(name, _)| *name).collect();
        eprintln!("cuttle: there is no service {}; there are {}", service.unwrap_or(""), names.join(", "));
        return ExitCode::from(USAGE);
    }
    let rules = wanted.iter().flat_map(|(_, rules)| rules.list());
    print(rules.map(|(name, rule)| format!("\"{name}\": \"{}\"\n", rule.check)).collect());
    ExitCode::SUCCESS
}

fn sample() {
    let mut text =
        "# Every rule with its default. To state one otherwise, take the # away and change the expression.\n"
            .to_owned();
    let mut stated = BTreeSet::new();
    for (service, rules) in services::rules() {
        let _ = writeln!(text, "\n# {service}");
        for (name, rule) in rules.list() {
            if !stated.insert(*name) {
                let _ = writeln!(
                    text,
                    "# {name} is stated above, for this service too; its default here: {}",
                    rule.check
                );
                continue;
            }
            let scopes: Vec<&str> = rule.scopes.iter().map(|scope| scope.name()).collect();
            if !scopes.is_empty() {
                let _ = writeln!(text, "# for tokens of: {}", scopes.join(", "));
            }
            let _ = writeln!(text, "#\"{name}\": \"{}\"", rule.check);
        }
    }
    print(text);
}

/// Prints a text whose reader may go away before its end, as `head` does.
fn print(text: String) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

impl Explain {
    fn run(&self) -> anyhow::Result<ExitCode> {
        match self.ask() {
            Ok(Ok(code)) => Ok(code),
            Ok(Err(wrong)) => {
                eprintln!("cuttle: {wrong}");
                Ok(ExitCode::from(USAGE))
            }
            Err(error) => {
                eprintln!("cuttle: {error:#}");
                Ok(ExitCode::from(USAGE))
            }
        }
    }

    /// The outer error is of the cloud, the inner one of the question.
    fn ask(&self) -> anyhow::Result<Result<ExitCode, String>> {
        let find =
            |rules: &&(&str, &'static Rules)| rules.1.list().iter().any(|(name, _)| *name == self.rule);
        let Some((service, rules)) = services::rules().iter().find(find).copied() else {
            return Ok(Err(format!(
                "there is no rule {}; `cuttle policy list` lists those there are",
                self.rule
            )));
        };
        let (who, place) = match question(&self.who) {
            Ok(parsed) => parsed,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let target = match Given::of(&self.target) {
            Ok(target) => target,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let config = Config::load(self.config.as_deref())?;
        let dir = DataDir::open(&self.which.data_dir)?;
        let file = PolicyFile::open(&config, &dir)?;
        let caller = match who {
            Who::User(name) => {
                let database =
                    config.database.map_or_else(|| StoreConfig::File(dir.database()), StoreConfig::Url);
                let store = Store::open(&database).context("cannot open the database")?;
                let policy = file.policy().clone();
                store.read_blocking(move |tx| identity::caller_of(tx, &name, &place, &policy))?
            }
            Who::Roles(roles) => Caller { policy: file.policy().clone(), ..with_roles(roles, place) },
        };
        let explained =
            rules.explain(&self.rule, &caller, &target).ok_or_else(|| anyhow!("the rule is gone"))?;
        match explained.line {
            Some(line) => println!("{} of {service}, from {} line {line}", self.rule, file.path().display()),
            None => println!("{} of {service}, its default", self.rule),
        }
        println!("  {}", explained.expression);
        println!("asked by {} with roles {}", caller.user_id, caller.roles.join(", "));
        print!("{}", explained.text);
        println!("{}", if explained.allowed { "allowed" } else { "denied" });
        Ok(Ok(ExitCode::from(u8::from(!explained.allowed))))
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Who {
    User(String),
    Roles(Vec<String>),
}

/// `member@project:ID`, `user:demo@system`.
fn question(text: &str) -> Result<(Who, Place), String> {
    let Some((who, scope)) = text.rsplit_once('@') else {
        return Err(format!("--as {text} lacks a scope: @system, @domain:ID, @project:ID or @none"));
    };
    let place = match scope.split_once(':') {
        None if scope == "system" => Place::System,
        None if scope == "none" => Place::Nowhere,
        Some(("domain", id)) if !id.is_empty() => Place::Domain(id.into()),
        Some(("project", id)) if !id.is_empty() => Place::Project(id.into()),
        _ => return Err(format!("{scope} is no scope: say system, domain:ID, project:ID or none")),
    };
    let who = match who.strip_prefix("user:") {
        Some(name) => Who::User(name.to_owned()),
        None => Who::Roles(who.split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect()),
    };
    Ok((who, place))
}

/// A caller made up for the question: user `caller` of domain `default`, with the roles and what they bring along.
fn with_roles(named: Vec<String>, place: Place) -> Caller {
    let mut roles = Vec::new();
    for role in named {
        match CHAIN.iter().position(|known| *known == role) {
            Some(at) => roles.extend(CHAIN[at..].iter().map(|role| (*role).to_owned())),
            None => roles.push(role),
        }
    }
    roles.sort();
    roles.dedup();
    let scope = match place {
        Place::Nowhere => Scope::Unscoped,
        Place::System => Scope::System,
        Place::Domain(id) => Scope::Domain { id },
        Place::Project(id) => Scope::Project { name: id.to_string(), id, domain_id: "default".into() },
    };
    Caller { user_id: "caller".into(), user_name: "caller".to_owned(), scope, roles, ..Caller::cloud() }
}

/// The attributes given: by their exact names, and the owners among them by all of theirs.
struct Given(Vec<(String, Option<String>)>);

impl Given {
    fn of(pairs: &[String]) -> Result<Given, String> {
        let parsed = pairs.iter().map(|pair| match pair.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                Ok((name.to_owned(), (value != "None").then(|| value.to_owned())))
            }
            _ => Err(format!("--target {pair} is not NAME=VALUE")),
        });
        Ok(Given(parsed.collect::<Result<_, _>>()?))
    }

    fn named(&self, name: &str) -> Option<Value<'_>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| Value::of(value.as_deref()))
    }
}

impl Attributes for Given {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        self.named(name).or_else(|| self.named(policy::owner(name)?))
    }
}

#[cfg(test)]
mod tests {
    //! Questions and their parts.

    use identity::Place;
    use policy::{Attributes, Value};

    use super::{Given, Who, question, with_roles};

    #[test]
    fn questions_name_who_and_where() {
        let check =
            |text: &str, expected: Option<(Who, Place)>| assert_eq!(question(text).ok(), expected, "{text}");
        let roles = |names: &[&str]| Who::Roles(names.iter().map(|name| (*name).to_owned()).collect());
        check("admin@system", Some((roles(&["admin"]), Place::System)));
        check("a,b@domain:d", Some((roles(&["a", "b"]), Place::Domain("d".into()))));
        check("user:me@here@project:p", Some((Who::User("me@here".to_owned()), Place::Project("p".into()))));
        check("@none", Some((roles(&[]), Place::Nowhere)));
        check("admin", None);
        check("admin@project:", None);
        check("admin@moon", None);
        assert_eq!(with_roles(vec!["member".to_owned()], Place::System).roles, ["member", "reader"]);
    }

    #[test]
    fn attributes_are_exact_or_an_owner_s() {
        let pairs = ["user_id=u", "target.role.domain_id=None"].map(str::to_owned);
        let given = Given::of(&pairs).unwrap();
        assert_eq!(given.attribute("user_id"), Some(Value::Text("u")));
        assert_eq!(given.attribute("target.credential.user_id"), Some(Value::Text("u")));
        assert_eq!(given.attribute("target.role.domain_id"), Some(Value::Null));
        assert_eq!(given.attribute("target.trust.trustor_user_id"), None);
        assert!(Given::of(&["=x".to_owned()]).is_err());
    }
}
