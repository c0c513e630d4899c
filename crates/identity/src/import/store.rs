//! Keystone's tables, as they have been since Queens.

use rest::Fields;
use serde_json::{Value as Json, json};
use store::{Tx, Value};
use types::{ProjectId, Timestamp, UserId};

use super::model::Snapshot;
use crate::Error;
use crate::api::Extra;
use crate::assignment::model::{Actor, Assignment, Target};
use crate::domain::model::Domain;
use crate::group::model::{Group, Membership};
use crate::ids::GroupId;
use crate::project::model::Project;
use crate::role::model::{Implication, Role};
use crate::user::model::{LoginRecord, User};
use crate::user::options::{self, UserOptions};

/// The row above all domains, which is none.
const ROOT: &str = "<<keystone.domain.root>>";
/// What stands for no domain in the table of roles.
const NO_DOMAIN: &str = "<<null>>";

/// The names of options, which Keystone's table has by number.
const OPTIONS: [(&str, &str); 7] = [
    ("1000", "ignore_change_password_upon_first_use"),
    ("1001", "ignore_password_expiry"),
    ("1002", "ignore_lockout_failure_attempts"),
    ("1003", "lock_password"),
    ("1004", "ignore_user_inactivity"),
    ("MFAR", "multi_factor_auth_rules"),
    ("MFAE", "multi_factor_auth_enabled"),
];

/// One row, read by position.
struct Row(Vec<Value>);

impl Row {
    fn text(&self, at: usize) -> Option<String> {
        self.0.get(at).and_then(Value::text).map(str::to_owned)
    }

    fn word(&self, at: usize) -> String {
        self.text(at).unwrap_or_default()
    }

    fn flag(&self, at: usize) -> bool {
        self.0.get(at).and_then(Value::int) == Some(1)
    }

    fn micros(&self, at: usize) -> Option<Timestamp> {
        self.0.get(at).and_then(Value::int).map(Timestamp)
    }

    /// A time as SQLAlchemy writes it to SQLite, or a day.
    fn time(&self, at: usize) -> Option<Timestamp> {
        let text = self.text(at)?.replace(' ', "T");
        let whole = if text.contains('T') { text } else { format!("{text}T00:00:00") };
        Timestamp::parse(&whole).ok()
    }

    fn extra(&self, at: usize) -> Extra {
        self.text(at).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }
}

fn rows(tx: &mut Tx<'_>, sql: &str) -> Result<Vec<Row>, Error> {
    Ok(tx.rows(sql, &[])?.into_iter().map(Row).collect())
}

/// All that is taken over.
pub(super) fn read(tx: &mut Tx<'_>) -> Result<Snapshot, Error> {
    let mut snapshot = Snapshot::default();
    read_projects(tx, &mut snapshot)?;
    read_roles(tx, &mut snapshot)?;
    read_users(tx, &mut snapshot)?;
    read_groups(tx, &mut snapshot)?;
    read_assignments(tx, &mut snapshot)?;
    Ok(snapshot)
}

fn read_projects(tx: &mut Tx<'_>, snapshot: &mut Snapshot) -> Result<(), Error> {
    let sql = "SELECT id, name, extra, description, enabled, domain_id, parent_id, is_domain FROM project ORDER BY id";
    for row in rows(tx, sql)?.into_iter().filter(|row| row.word(0) != ROOT) {
        if row.flag(7) {
            snapshot.domains.push(Domain {
                id: row.word(0).as_str().into(),
                name: row.word(1),
                description: row.text(3),
                enabled: row.flag(4),
                tags: Vec::new(),
                immutable: None,
                extra: row.extra(2),
            });
        } else {
            let parent = row.text(6).filter(|parent| *parent != row.word(5));
            snapshot.projects.push(Project {
                id: row.word(0).as_str().into(),
                domain_id: row.word(5).as_str().into(),
                parent_id: parent.map(ProjectId),
                name: row.word(1),
                description: row.text(3),
                enabled: row.flag(4),
                is_domain: false,
                tags: Vec::new(),
                immutable: None,
                extra: row.extra(2),
            });
        }
    }
    Ok(())
}

fn read_roles(tx: &mut Tx<'_>, snapshot: &mut Snapshot) -> Result<(), Error> {
    for row in rows(tx, "SELECT id, name, extra, domain_id, description FROM role ORDER BY id")? {
        snapshot.roles.push(Role {
            id: row.word(0).as_str().into(),
            domain_id: row.text(3).filter(|domain| domain != NO_DOMAIN).map(|domain| domain.as_str().into()),
            name: row.word(1),
            description: row.text(4),
            immutable: None,
            extra: row.extra(2),
        });
    }
    for row in rows(tx, "SELECT prior_role_id, implied_role_id FROM implied_role")? {
        let (prior, implied) = (row.word(0).as_str().into(), row.word(1).as_str().into());
        snapshot.implications.push(Implication { prior, implied });
    }
    Ok(())
}

fn read_users(tx: &mut Tx<'_>, snapshot: &mut Snapshot) -> Result<(), Error> {
    let sql = "SELECT u.id, l.name, u.domain_id, u.enabled, u.default_project_id, u.extra, u.created_at, \
               u.last_active_at, l.failed_auth_count, l.failed_auth_at, l.id \
               FROM \"user\" u LEFT JOIN local_user l ON l.user_id = u.id ORDER BY u.id";
    for row in rows(tx, sql)? {
        let Some(name) = row.text(1) else {
            snapshot.left_out += 1;
            continue;
        };
        let failures = row.0.get(8).and_then(Value::int).and_then(|count| u32::try_from(count).ok());
        let mut user = User {
            id: UserId(row.word(0)),
            domain_id: row.word(2).as_str().into(),
            name,
            enabled: row.flag(3),
            default_project_id: row.text(4).map(ProjectId),
            password: None,
            ephemeral: false,
            options: read_options(tx, &row.word(0))?,
            login: LoginRecord {
                created_at: row.time(6),
                active_at: row.time(7),
                failures: failures.unwrap_or(0),
                failed_at: row.time(9),
                ..LoginRecord::default()
            },
            extra: row.extra(5),
        };
        read_passwords(tx, row.0.get(10).cloned().unwrap_or(Value::Null), &mut user)?;
        snapshot.users.push(user);
    }
    Ok(())
}

/// The last is the one in use; its rows before are those that must not come again.
fn read_passwords(tx: &mut Tx<'_>, local_user: Value, user: &mut User) -> Result<(), Error> {
    let sql = "SELECT password_hash, created_at_int, expires_at_int, self_service FROM password \
               WHERE local_user_id = ? ORDER BY created_at_int, id";
    for row in tx.rows(sql, &[local_user])?.into_iter().map(Row) {
        user.login.earlier_passwords.extend(user.password.take());
        user.password = row.text(0);
        user.login.password_set_at = row.micros(1);
        user.login.password_expires_at = row.micros(2);
        user.login.password_is_own = row.flag(3);
    }
    Ok(())
}

fn read_options(tx: &mut Tx<'_>, user: &str) -> Result<UserOptions, Error> {
    let mut body = Extra::new();
    let sql = "SELECT option_id, option_value FROM user_option WHERE user_id = ?";
    for row in tx.rows(sql, &[user.into()])?.into_iter().map(Row) {
        let name = OPTIONS.iter().find(|(id, _)| *id == row.word(0)).map(|(_, name)| *name);
        let value: Option<Json> = row.text(1).and_then(|text| serde_json::from_str(&text).ok());
        if let (Some(name), Some(value)) = (name, value) {
            body.insert(name.to_owned(), value);
        }
    }
    let mut options = UserOptions::default();
    let mut fields = Fields::new("user", json!({"options": body}))?;
    options::body(&mut fields)?.apply(&mut options);
    Ok(options)
}

fn read_groups(tx: &mut Tx<'_>, snapshot: &mut Snapshot) -> Result<(), Error> {
    for row in rows(tx, "SELECT id, domain_id, name, description, extra FROM \"group\" ORDER BY id")? {
        snapshot.groups.push(Group {
            id: GroupId(row.word(0)),
            domain_id: row.word(1).as_str().into(),
            name: row.word(2),
            description: row.text(3),
            extra: row.extra(4),
        });
    }
    for row in rows(tx, "SELECT group_id, user_id FROM user_group_membership")? {
        snapshot
            .memberships
            .push(Membership { group_id: GroupId(row.word(0)), user_id: UserId(row.word(1)) });
    }
    Ok(())
}

fn read_assignments(tx: &mut Tx<'_>, snapshot: &mut Snapshot) -> Result<(), Error> {
    let sql = "SELECT type, actor_id, target_id, role_id, inherited FROM assignment \
               UNION ALL SELECT type, actor_id, target_id, role_id, inherited FROM system_assignment";
    for row in rows(tx, sql)? {
        let kind = row.word(0);
        let actor = match kind.strip_prefix("User") {
            Some(_) => Actor::User(UserId(row.word(1))),
            None => Actor::Group(GroupId(row.word(1))),
        };
        let target = match kind.trim_start_matches("User").trim_start_matches("Group") {
            "Project" => Target::Project(row.word(2).as_str().into()),
            "Domain" => Target::Domain(row.word(2).as_str().into()),
            "System" => Target::System,
            _ => continue,
        };
        let role_id = row.word(3).as_str().into();
        snapshot.assignments.push(Assignment { actor, target, role_id, inherited: row.flag(4) });
    }
    Ok(())
}
