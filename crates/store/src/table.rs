//! A resource's table, declared once: the columns the database must know; the rest of the model is the `doc` column.
//!
//! Every table has the columns `id` (primary key), `revision` and `doc` beside those declared.

use std::ops::{Deref, DerefMut};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Select, Tx, Value};

/// A key column: its name, and where in the model its value comes from.
pub struct Column<T: 'static> {
    /// The column's name.
    pub name: &'static str,
    /// Reads the value off the model. A save writes it only if the change of the model changes it: a column that is added, or
    /// whose value comes to be another for the same model, needs a migration that sets it in the rows that there are.
    pub value: fn(&T) -> Value,
}

/// A unique index, so that a refused row can name it whatever the database says.
pub struct Unique {
    /// The index's name in the migration.
    pub name: &'static str,
    /// Its columns in order.
    pub columns: &'static [&'static str],
}

/// A table of one resource.
pub struct Table<T: 'static> {
    /// `<service>_<plural>`.
    pub name: &'static str,
    /// The primary key.
    pub id: fn(&T) -> Value,
    /// The key columns.
    pub columns: &'static [Column<T>],
    /// The unique indexes besides the primary key, whose name is `id`.
    pub unique: &'static [Unique],
}

/// A row that was loaded: the model, and the revision that a save must still find.
#[derive(Debug, Clone)]
pub struct Stored<T> {
    value: T,
    revision: i64,
    doc: String,
}

impl<T> Stored<T> {
    /// How often the row has been saved, from 0 at its insertion.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// The model alone.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Stored<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Stored<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Serialize + DeserializeOwned> Table<T> {
    /// Adds a row. A clash with a unique index is [`Error::Duplicate`] with the index's name.
    pub fn insert(&self, tx: &mut Tx<'_>, value: T) -> Result<Stored<T>, Error> {
        let doc = self.document(&value)?;
        let mut names = String::from("id, revision, doc");
        let mut marks = String::from("?, 0, ?");
        let mut args = vec![(self.id)(&value), doc.as_str().into()];
        for column in self.columns {
            names.push_str(", ");
            names.push_str(column.name);
            marks.push_str(", ?");
            args.push((column.value)(&value));
        }
        let sql = format!("INSERT INTO {} ({names}) VALUES ({marks})", self.name);
        tx.execute(&sql, &args).map_err(|e| self.named(e))?;
        Ok(Stored { value, revision: 0, doc })
    }

    /// The row with this id.
    pub fn load(&self, tx: &mut Tx<'_>, id: impl Into<Value>) -> Result<Option<Stored<T>>, Error> {
        self.first(tx, &Select::all().eq("id", id))
    }

    /// The first row selected.
    pub fn first(&self, tx: &mut Tx<'_>, select: &Select) -> Result<Option<Stored<T>>, Error> {
        Ok(self.query(tx, &select.clone().limit(1))?.into_iter().next())
    }

    /// All rows selected.
    pub fn query(&self, tx: &mut Tx<'_>, select: &Select) -> Result<Vec<Stored<T>>, Error> {
        let (rest, args) = select.sql();
        let rows = tx.rows(&format!("SELECT revision, doc FROM {}{rest}", self.name), &args)?;
        rows.into_iter().map(|row| self.read(row)).collect()
    }

    /// All rows selected, only to be looked at: without what [`Table::save`] would need of them, for long lists.
    pub fn values(&self, tx: &mut Tx<'_>, select: &Select) -> Result<Vec<T>, Error> {
        let (rest, args) = select.sql();
        let mut values = Ok(Vec::new());
        tx.texts(&format!("SELECT doc FROM {}{rest}", self.name), &args, |doc| {
            if let Ok(all) = &mut values {
                match self.parse(doc) {
                    Ok(value) => all.push(value),
                    Err(error) => values = Err(error),
                }
            }
        })?;
        values
    }

    /// Rows of a hand-written query that selects `revision, doc` of this table, in this order.
    pub fn query_sql(&self, tx: &mut Tx<'_>, sql: &str, args: &[Value]) -> Result<Vec<Stored<T>>, Error> {
        tx.rows(sql, args)?.into_iter().map(|row| self.read(row)).collect()
    }

    /// How many rows are selected.
    pub fn count(&self, tx: &mut Tx<'_>, select: &Select) -> Result<i64, Error> {
        let (rest, args) = select.sql();
        let rows = tx.rows(&format!("SELECT COUNT(*) FROM {}{rest}", self.name), &args)?;
        Ok(rows.first().and_then(|row| row.first()).and_then(Value::int).unwrap_or(0))
    }

    /// Writes a loaded row back if it changed; [`Error::Stale`] if somebody else did in the meantime. Of the columns only
    /// those that changed are set: a database writes each index on a column that is.
    pub fn save(&self, tx: &mut Tx<'_>, row: &mut Stored<T>) -> Result<(), Error> {
        let doc = self.document(&row.value)?;
        if doc == row.doc {
            return Ok(());
        }
        let before = self.parse(&row.doc)?;
        let mut sql = format!("UPDATE {} SET revision = revision + 1, doc = ?", self.name);
        let mut args = vec![doc.as_str().into()];
        for column in self.columns {
            let value = (column.value)(&row.value);
            if value != (column.value)(&before) {
                sql.push_str(&format!(", {} = ?", column.name));
                args.push(value);
            }
        }
        sql.push_str(" WHERE id = ? AND revision = ?");
        args.extend([(self.id)(&row.value), row.revision.into()]);
        if tx.execute(&sql, &args).map_err(|e| self.named(e))? == 0 {
            return Err(Error::Stale(self.name.to_owned()));
        }
        row.revision += 1;
        row.doc = doc;
        Ok(())
    }

    /// Removes a loaded row; [`Error::Stale`] if it changed or went in the meantime.
    pub fn remove(&self, tx: &mut Tx<'_>, row: &Stored<T>) -> Result<(), Error> {
        let sql = format!("DELETE FROM {} WHERE id = ? AND revision = ?", self.name);
        match tx.execute(&sql, &[(self.id)(&row.value), row.revision.into()])? {
            0 => Err(Error::Stale(self.name.to_owned())),
            _ => Ok(()),
        }
    }

    fn document(&self, value: &T) -> Result<String, Error> {
        serde_json::to_string(value)
            .map_err(|e| Error::Internal(format!("cannot write a document of {}: {e}", self.name)))
    }

    fn read(&self, row: Vec<Value>) -> Result<Stored<T>, Error> {
        let mut row = row.into_iter();
        let (Some(Value::Int(revision)), Some(Value::Text(doc))) = (row.next(), row.next()) else {
            return Err(Error::Internal(format!("a row of {} has no revision and document", self.name)));
        };
        Ok(Stored { value: self.parse(&doc)?, revision, doc })
    }

    fn parse(&self, doc: &str) -> Result<T, Error> {
        serde_json::from_str(doc)
            .map_err(|e| Error::Internal(format!("cannot read a document of {}: {e}", self.name)))
    }

    /// Gives a refused row the name of the index, whichever way the database spelled it.
    fn named(&self, error: Error) -> Error {
        let Error::Duplicate(said) = &error else { return error };
        if [format!("{}.id", self.name), format!("{}_pkey", self.name), "PRIMARY".to_owned()].contains(said) {
            return Error::Duplicate("id".to_owned());
        }
        let known = self.unique.iter().find(|index| {
            let columns: Vec<String> = index.columns.iter().map(|c| format!("{}.{c}", self.name)).collect();
            said == index.name || *said == columns.join(", ")
        });
        known.map_or(error.clone(), |index| Error::Duplicate(index.name.to_owned()))
    }
}
