//! Every service's migrations make the same tables, columns and indexes on all three databases.

use std::collections::BTreeSet;

use ::store::{Config, Store, Tx, Value};

use crate::schema;

/// A line for each column and each part of an index.
type Tables = BTreeSet<String>;

#[test]
fn postgres_has_the_same_tables() {
    let Some(server) = server("postgres", "CUTTLE_TEST_POSTGRES") else { return };
    let name = fresh_name();
    let admin = Store::open(&Config::Url(server.clone())).unwrap();
    run(&admin, format!("CREATE SCHEMA {name}"));
    let store = Store::open(&Config::Url(format!("{server}?options[search_path]={name}"))).unwrap();
    let found = migrated(
        &store,
        "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable \
         FROM information_schema.columns WHERE table_schema = current_schema()",
        "SELECT t.relname, CASE WHEN x.indisprimary THEN 'PRIMARY' ELSE i.relname END, x.indisunique, a.place, c.attname \
         FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid \
         JOIN pg_namespace n ON n.oid = t.relnamespace \
         CROSS JOIN LATERAL unnest(CAST(x.indkey AS int2[])) WITH ORDINALITY AS a(number, place) \
         JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum = a.number WHERE n.nspname = current_schema()",
    );
    run(&admin, format!("DROP SCHEMA {name} CASCADE"));
    assert_same(&found);
}

#[test]
fn mariadb_has_the_same_tables() {
    let Some(server) = server("mariadb", "CUTTLE_TEST_MARIADB") else { return };
    let name = fresh_name();
    let admin = Store::open(&Config::Url(server.clone())).unwrap();
    run(&admin, format!("CREATE DATABASE {name}"));
    let (base, _) = server.rsplit_once('/').unwrap();
    let store = Store::open(&Config::Url(format!("{base}/{name}"))).unwrap();
    let found = migrated(
        &store,
        "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable \
         FROM information_schema.columns WHERE table_schema = DATABASE()",
        "SELECT table_name, index_name, 1 - non_unique, seq_in_index, column_name \
         FROM information_schema.statistics WHERE table_schema = DATABASE()",
    );
    run(&admin, format!("DROP DATABASE {name}"));
    assert_same(&found);
}

fn assert_same(found: &Tables) {
    let store = Store::open(&Config::Memory).unwrap();
    let expected = migrated(
        &store,
        "SELECT m.name, c.name, c.type, NULL, CASE WHEN c.\"notnull\" THEN 'NO' ELSE 'YES' END \
         FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'",
        "SELECT m.name, CASE WHEN i.origin = 'pk' THEN 'PRIMARY' ELSE i.name END, i.\"unique\", c.seqno + 1, c.name \
         FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) c WHERE m.type = 'table'",
    );
    let missing: Vec<_> = expected.difference(found).collect();
    let others: Vec<_> = found.difference(&expected).collect();
    assert!(missing.is_empty() && others.is_empty(), "missing: {missing:#?}\ninstead: {others:#?}");
    assert!(expected.iter().any(|line| line == "identity_users.name_hash varchar(64) NO"));
    assert!(
        expected.iter().any(|line| line == "identity_users_name on identity_users, unique 1: 2 name_hash")
    );
    let longest = expected.iter().filter_map(|line| line.split([' ', '.']).next()).map(str::len).max();
    assert!(longest < Some(64), "PostgreSQL cuts names at 63 bytes");
}

/// Migrates twice and describes the outcome by two queries.
fn migrated(store: &Store, columns: &'static str, indexes: &'static str) -> Tables {
    store.migrate(schema::MIGRATIONS).unwrap();
    store.migrate(schema::MIGRATIONS).unwrap();
    let ask = |sql| store.read_blocking(move |tx: &mut Tx<'_>| tx.rows(sql, &[])).unwrap();
    let word = |value: &Value| match value {
        Value::Null => String::new(),
        Value::Int(n) => n.to_string(),
        Value::Text(text) => text.clone(),
    };
    let columns = ask(columns).into_iter().map(|row| {
        let [table, column, kind, length, nullable] = [0, 1, 2, 3, 4].map(|n| word(&row[n]));
        let kind = match kind.to_lowercase().as_str() {
            "character varying" | "varchar" => format!("varchar({length})"),
            "text" | "longtext" => "document".to_owned(),
            other => other.to_owned(),
        };
        format!("{table}.{column} {kind} {nullable}")
    });
    let indexes = ask(indexes).into_iter().map(|row| {
        let [table, index, unique, place, column] = [0, 1, 2, 3, 4].map(|n| word(&row[n]));
        format!("{index} on {table}, unique {unique}: {place} {column}")
    });
    columns.chain(indexes).collect()
}

fn run(store: &Store, sql: String) {
    store.write_blocking(move |tx| tx.execute(&sql, &[])).unwrap();
}

fn fresh_name() -> String {
    format!("cuttle_{}", runtime::new_uuid().simple())
}

fn server(test: &str, variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok();
    if url.is_none() {
        println!("skipped: schema on {test}: {variable} names no server; ./x test starts one");
    }
    url
}
