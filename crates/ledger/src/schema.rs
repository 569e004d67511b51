//! The versions of the schema and the way from one to the next.

use rusqlite::Transaction;

/// `PRAGMA application_id`: "self" in ASCII. Says that a SQLite file is a ledger.
pub(crate) const APPLICATION_ID: i64 = 0x7365_6c66;

/// What leads from version `n` to `n + 1`, for `n` from 0. Never edit a published entry: add one.
pub(crate) const MIGRATIONS: &[&str] = &[include_str!("schema/1.sql")];

/// The version that `migrations` lead to.
pub(crate) fn newest(migrations: &[&str]) -> i64 {
    i64::try_from(migrations.len()).expect("a handful of migrations")
}

/// `(application id, schema version, number of tables)` of the open file.
pub(crate) fn state(db: &rusqlite::Connection) -> rusqlite::Result<(i64, i64, i64)> {
    let application = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok((application, version, tables))
}

/// Brings a ledger of version `from` to the newest version. The caller holds the write lock.
pub(crate) fn migrate(tx: &Transaction<'_>, from: i64, migrations: &[&str]) -> rusqlite::Result<()> {
    for sql in migrations.iter().skip(usize::try_from(from).unwrap_or(0)) {
        tx.execute_batch(sql)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", newest(migrations))
}
