//! Opening the file: what it must be before anything is written to it.

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::LedgerError;
use crate::error::{PATIENCE_MILLIS, explain};
use crate::schema;

/// An open ledger. Threads may share it; processes each open their own on the same file.
#[derive(Debug)]
pub struct Ledger {
    pub(crate) path: PathBuf,
    connection: Mutex<Connection>,
}

impl Ledger {
    /// Opens the ledger at `path`; makes it, and its folder, if nothing is there; brings an older one up to date.
    ///
    /// # Errors
    /// [`LedgerError::Foreign`], [`LedgerError::Newer`] or [`LedgerError::Damaged`] if the file is something else:
    /// it is then left as it was.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::open_with(path, schema::MIGRATIONS)
    }

    /// Opens the ledger at `path` to ask it, and writes nothing: not for a disk that is full, nor for a folder that may not
    /// be written. If nothing is there, it is an empty one in memory. Recording fails.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_to_read(path: &Path) -> Result<Self, LedgerError> {
        look(path)?;
        if std::fs::metadata(path).map_or(true, |m| m.len() == 0) {
            return Self::in_memory(path);
        }
        let plain = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match Self::asked(path, path.as_os_str(), plain, false) {
            Err(LedgerError::Full { .. } | LedgerError::Database { .. }) => {}
            other => return other,
        }
        // Beside the file SQLite wants its log and an index of it, for which there is no room or no right. If the log is
        // not there or empty, all is in the file, and nobody writes to it; else this process may be the only one, and
        // keep the index to itself.
        if std::fs::metadata(beside(path, "-wal")).map_or(true, |m| m.len() == 0) {
            let mut uri = std::ffi::OsString::from("file:");
            uri.push(encoded(path));
            uri.push("?immutable=1");
            return Self::asked(path, &uri, plain | OpenFlags::SQLITE_OPEN_URI, false);
        }
        let whole = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::asked(path, path.as_os_str(), whole, true)
    }

    fn asked(path: &Path, name: &OsStr, flags: OpenFlags, alone: bool) -> Result<Self, LedgerError> {
        let sql = |error| explain(path, "open", error);
        let mut db = Connection::open_with_flags(name, flags).map_err(sql)?;
        db.busy_timeout(Duration::from_millis(PATIENCE_MILLIS)).map_err(sql)?;
        if alone {
            db.pragma_update(None, "locking_mode", "exclusive").map_err(sql)?;
        }
        let version = {
            let tx = db.transaction().map_err(sql)?;
            checked_version(&tx, path, schema::MIGRATIONS)?
        };
        if version < schema::newest(schema::MIGRATIONS) {
            return Self::open(path);
        }
        Ok(Self { path: path.to_owned(), connection: Mutex::new(db) })
    }

    fn in_memory(path: &Path) -> Result<Self, LedgerError> {
        let sql = |error| explain(path, "open", error);
        let mut db = Connection::open_in_memory().map_err(sql)?;
        let tx = db.transaction().map_err(sql)?;
        schema::migrate(&tx, 0, schema::MIGRATIONS).map_err(sql)?;
        tx.commit().map_err(sql)?;
        db.pragma_update(None, "query_only", true).map_err(sql)?;
        Ok(Self { path: path.to_owned(), connection: Mutex::new(db) })
    }

    pub(crate) fn open_with(path: &Path, migrations: &[&str]) -> Result<Self, LedgerError> {
        look(path)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed("open", path, error))?;
        }
        // No `SQLITE_OPEN_URI`: a path is a path, whatever it begins with.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let sql = |error| explain(path, "open", error);
        let mut db = Connection::open_with_flags(path, flags).map_err(sql)?;
        db.busy_timeout(Duration::from_millis(PATIENCE_MILLIS)).map_err(sql)?;
        let version = {
            // One snapshot: another process may be making the file at this moment.
            let tx = db.transaction().map_err(sql)?;
            checked_version(&tx, path, migrations)?
        };
        prepare(&db).map_err(sql)?;
        if version < schema::newest(migrations) {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
            // Another process may have been quicker.
            let version = checked_version(&tx, path, migrations)?;
            if version < schema::newest(migrations) {
                schema::migrate(&tx, version, migrations).map_err(sql)?;
            }
            tx.commit().map_err(sql)?;
        }
        Ok(Self { path: path.to_owned(), connection: Mutex::new(db) })
    }

    /// Reads within one snapshot.
    pub(crate) fn read<T>(
        &self,
        ask: impl FnOnce(&Transaction<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let mut db = self.lock();
        let tx = db.transaction().map_err(|error| explain(&self.path, "read", error))?;
        ask(&tx)
    }

    /// Writes within one transaction, which holds the write lock from its beginning.
    pub(crate) fn write<T>(
        &self,
        tell: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        let sql = |error| explain(&self.path, "write", error);
        let mut db = self.lock();
        // Immediate: a read lock that turns into a write lock later can fail without waiting.
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
        let answer = tell(&tx).map_err(sql)?;
        tx.commit().map_err(sql)?;
        Ok(answer)
    }

    pub(crate) fn sql(&self) -> impl Fn(rusqlite::Error) -> LedgerError + Copy {
        |error| explain(&self.path, "read", error)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Connection> {
        // A thread that panicked dropped its transaction, which rolled it back: nothing is half done.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file of SQLite's beside the ledger.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A path as SQLite's URIs have it.
fn encoded(path: &Path) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    bytes.map(|b| if plain(*b) { char::from(*b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Looks at the first bytes without SQLite, which would take an unknown file for a new one of its own.
fn look(path: &Path) -> Result<(), LedgerError> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("open", path, error)),
    };
    let mut head = Vec::new();
    file.take(MAGIC.len() as u64).read_to_end(&mut head).map_err(|error| failed("open", path, error))?;
    if head.is_empty() || head == MAGIC {
        return Ok(());
    }
    let found = format!("a file that begins with {:?}", String::from_utf8_lossy(&head));
    Err(LedgerError::Foreign { path: path.to_owned(), found })
}

/// The version of the file, 0 if it is new, or why it is not ours to write.
fn checked_version(db: &Connection, path: &Path, migrations: &[&str]) -> Result<i64, LedgerError> {
    let (application, version, tables) = schema::state(db).map_err(|error| explain(path, "open", error))?;
    if (application, version, tables) == (0, 0, 0) {
        return Ok(0);
    }
    if application != schema::APPLICATION_ID {
        let found =
            format!("a SQLite file of another program ({tables} tables, application id {application})");
        return Err(LedgerError::Foreign { path: path.to_owned(), found });
    }
    let known = schema::newest(migrations);
    if version > known {
        return Err(LedgerError::Newer { path: path.to_owned(), found: version, known });
    }
    if version < 1 || tables == 0 {
        let detail = format!("schema version {version} with {tables} tables");
        return Err(LedgerError::Damaged { path: path.to_owned(), detail });
    }
    Ok(version)
}

/// Settings of the connection, and of the file if it is new.
fn prepare(db: &Connection) -> rusqlite::Result<()> {
    // 8 KiB pages measured best for rows of this size; has an effect on a new file only.
    db.pragma_update(None, "page_size", 8192)?;
    // Several processes that make the same new file meet here, and SQLite does not always wait for the lock
    // that the change of mode needs: it says "busy" where waiting could dead-lock. Then nobody holds anything,
    // so trying again is safe.
    let begun = Instant::now();
    loop {
        match db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0)) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && begun.elapsed() < Duration::from_millis(PATIENCE_MILLIS) =>
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            other => break other.map(drop)?,
        }
    }
    // With a write-ahead log, NORMAL loses at most the newest records when the power goes, never the file.
    db.pragma_update(None, "synchronous", "normal")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn failed(doing: &'static str, path: &Path, error: std::io::Error) -> LedgerError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return LedgerError::Full { path: path.to_owned() };
    }
    LedgerError::Database { doing, path: path.to_owned(), source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: &str = "CREATE TABLE note (text TEXT NOT NULL); INSERT INTO note VALUES ('new');";

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        (folder, path)
    }

    #[test]
    fn an_older_ledger_is_brought_up_to_date_once() {
        let (_folder, path) = folder();
        drop(Ledger::open(&path).unwrap());
        let two = [schema::MIGRATIONS[0], NOTE];
        for _ in 0..2 {
            let ledger = Ledger::open_with(&path, &two).unwrap();
            let notes: i64 =
                ledger.lock().query_row("SELECT count(*) FROM note", [], |row| row.get(0)).unwrap();
            assert_eq!(notes, 1);
        }
        assert!(matches!(Ledger::open(&path), Err(LedgerError::Newer { found: 2, known: 1, .. })));
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let (_folder, path) = folder();
        drop(Ledger::open(&path).unwrap());
        let broken =
            [schema::MIGRATIONS[0], "CREATE TABLE note (text TEXT); SELECT no_such_column FROM note;"];
        assert!(matches!(Ledger::open_with(&path, &broken), Err(LedgerError::Database { .. })));
        let ledger = Ledger::open(&path).unwrap();
        assert!(ledger.lock().prepare("SELECT * FROM note").is_err());
        assert_eq!(ledger.audit_verify().unwrap().entries, 0);
    }

    #[test]
    fn asking_writes_nothing() {
        let (folder, path) = folder();
        let row = crate::VerificationRow {
            subject: model::Sha256::of(b"x"),
            ok: true,
            exit: 0,
            class: "ok".into(),
            at: model::Timestamp(0),
            keys: Vec::new(),
            checks: serde_json::Value::Null,
        };
        let entries = |ledger: &Ledger| ledger.audit_verify().unwrap().entries;
        let empty = Ledger::open_to_read(&path).unwrap();
        assert_eq!(entries(&empty), 0);
        assert!(empty.record_verification(&row).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

        let writer = Ledger::open(&path).unwrap();
        writer.record_verification(&row).unwrap();
        // The record is in the log beside the file.
        let reader = Ledger::open_to_read(&path).unwrap();
        assert_eq!(entries(&reader), 1);
        assert!(reader.record_verification(&row).is_err());
        // As a process that was killed leaves them, where there is no room for the index: it is kept in memory.
        let other = folder.path().join("other");
        std::fs::create_dir(&other).unwrap();
        for suffix in ["", "-wal"] {
            std::fs::copy(beside(&path, suffix), beside(&other.join("ledger.db"), suffix)).unwrap();
        }
        let copy = other.join("ledger.db");
        let whole = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let alone = Ledger::asked(&copy, copy.as_os_str(), whole, true).unwrap();
        assert_eq!(entries(&alone), 1);
        assert!(!beside(&copy, "-shm").exists());
        drop((reader, writer));
        assert_eq!(encoded(Path::new("/é p?")), "/%C3%A9%20p%3F");
        let before = std::fs::read(&path).unwrap();
        assert_eq!(entries(&Ledger::open_to_read(&path).unwrap()), 1);
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::write(&path, "something else").unwrap();
        assert!(matches!(Ledger::open_to_read(&path), Err(LedgerError::Foreign { .. })));
    }

    #[test]
    fn no_space_left_is_said_and_leaves_what_was_there() {
        let (_folder, path) = folder();
        let ledger = Ledger::open(&path).unwrap();
        // A page limit gives the same answer of SQLite as a full disk.
        let pages: i64 = ledger.lock().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        ledger
            .lock()
            .pragma_update_and_check(None, "max_page_count", pages + 4, |row| row.get::<_, i64>(0))
            .unwrap();
        let row = |number: u32| crate::VerificationRow {
            subject: model::Sha256::of(&number.to_le_bytes()),
            ok: true,
            exit: 0,
            class: "ok".into(),
            at: model::Timestamp(0),
            keys: Vec::new(),
            checks: serde_json::Value::String("x".repeat(4000) + &number.to_string()),
        };
        let mut written = 0;
        let error = loop {
            match ledger.record_verification(&row(written)) {
                Ok(()) => written += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, LedgerError::Full { .. }), "{error:?}");
        assert_eq!(ledger.audit_verify().unwrap().entries, u64::from(written));
        ledger.lock().pragma_update_and_check(None, "max_page_count", 1_000_000, |_| Ok(())).unwrap();
        ledger.record_verification(&row(written)).unwrap();
        assert_eq!(ledger.audit_verify().unwrap().entries, u64::from(written) + 1);
    }
}
