-- One row per digest that any record names; everything else points here by id.
CREATE TABLE digest (
  id     INTEGER PRIMARY KEY,
  sha256 BLOB    NOT NULL,
  size   INTEGER NOT NULL,              -- bytes; -1 where only the hash is known
  UNIQUE (sha256, size)
);

-- Texts that many records repeat: conditions, components of an action, checks.
CREATE TABLE document (
  id     INTEGER PRIMARY KEY,
  sha256 BLOB NOT NULL UNIQUE,          -- of body
  body   TEXT NOT NULL                  -- canonical JSON
);

-- A list of materials, shared by all builds of the same lock.
CREATE TABLE material_set (
  id     INTEGER PRIMARY KEY,
  sha256 BLOB NOT NULL UNIQUE           -- of the list's canonical JSON
);
CREATE TABLE material (
  material_set INTEGER NOT NULL REFERENCES material_set (id),
  position     INTEGER NOT NULL,
  digest       INTEGER NOT NULL REFERENCES digest (id),
  kind         TEXT    NOT NULL,
  name         TEXT    NOT NULL,
  PRIMARY KEY (material_set, position)
);
CREATE INDEX material_digest ON material (digest);

CREATE TABLE build (
  id              INTEGER PRIMARY KEY,
  name            TEXT    NOT NULL UNIQUE,   -- the build's id, as people see it
  recipe          TEXT    NOT NULL,
  version         TEXT    NOT NULL,
  recipe_path     TEXT    NOT NULL,
  recipe_digest   INTEGER NOT NULL REFERENCES digest (id),
  lock_digest     INTEGER REFERENCES digest (id),
  started         INTEGER NOT NULL,          -- seconds since 1970, UTC; so is every time
  finished        INTEGER NOT NULL,
  source_commit   TEXT,
  source_remote   TEXT,
  source_dirty    INTEGER NOT NULL,          -- 0 or 1; so is every yes or no
  source_tree     INTEGER REFERENCES digest (id),
  builder         TEXT    NOT NULL,
  builder_version TEXT    NOT NULL,
  requester       TEXT,
  ok              INTEGER NOT NULL,
  error           TEXT,
  conditions      INTEGER NOT NULL REFERENCES document (id),
  materials       INTEGER NOT NULL REFERENCES material_set (id),
  byproducts      INTEGER NOT NULL REFERENCES material_set (id)
);
CREATE INDEX build_recipe        ON build (recipe, id);
CREATE INDEX build_recipe_path   ON build (recipe_path, id);
CREATE INDEX build_recipe_digest ON build (recipe_digest);
CREATE INDEX build_lock_digest   ON build (lock_digest);
CREATE INDEX build_source_tree   ON build (source_tree);
CREATE INDEX build_source_commit ON build (source_commit);
CREATE INDEX build_materials     ON build (materials);
CREATE INDEX build_byproducts    ON build (byproducts);

CREATE TABLE step (
  build      INTEGER NOT NULL REFERENCES build (id),
  position   INTEGER NOT NULL,
  name       TEXT    NOT NULL,
  action     INTEGER NOT NULL REFERENCES digest (id),
  cached     INTEGER NOT NULL,
  millis     INTEGER NOT NULL,
  log        INTEGER REFERENCES digest (id),
  components INTEGER NOT NULL REFERENCES document (id),
  PRIMARY KEY (build, position)
);
CREATE INDEX step_action ON step (action);
CREATE INDEX step_log    ON step (log);

CREATE TABLE artifact (
  build    INTEGER NOT NULL REFERENCES build (id),
  position INTEGER NOT NULL,
  name     TEXT    NOT NULL,
  format   TEXT    NOT NULL,
  digest   INTEGER NOT NULL REFERENCES digest (id),
  encoder  TEXT    NOT NULL,
  PRIMARY KEY (build, position)
);
CREATE INDEX artifact_digest ON artifact (digest, build);
CREATE INDEX artifact_name   ON artifact (name, build);

CREATE TABLE attestation (
  id             INTEGER PRIMARY KEY,
  predicate_type TEXT    NOT NULL,
  bundle         INTEGER NOT NULL REFERENCES digest (id),
  key_id         TEXT    NOT NULL,
  build          TEXT,                  -- build.name, of this ledger or another
  at             INTEGER NOT NULL
);
CREATE INDEX attestation_bundle ON attestation (bundle);
CREATE INDEX attestation_key    ON attestation (key_id);
CREATE INDEX attestation_build  ON attestation (build);
CREATE TABLE attestation_subject (
  attestation INTEGER NOT NULL REFERENCES attestation (id),
  position    INTEGER NOT NULL,
  digest      INTEGER NOT NULL REFERENCES digest (id),
  PRIMARY KEY (attestation, position)
);
CREATE INDEX attestation_subject_digest ON attestation_subject (digest, attestation);

CREATE TABLE rebuild (
  id              INTEGER PRIMARY KEY,
  build           TEXT,                 -- build.name, of this ledger or another
  verdict         TEXT    NOT NULL,     -- reproduced, differs, not_built, unknown
  at              INTEGER NOT NULL,
  millis          INTEGER NOT NULL,
  builder         TEXT    NOT NULL,
  builder_version TEXT    NOT NULL,
  reason          TEXT
);
CREATE INDEX rebuild_build ON rebuild (build);
CREATE TABLE rebuild_artifact (
  rebuild  INTEGER NOT NULL REFERENCES rebuild (id),
  position INTEGER NOT NULL,
  name     TEXT    NOT NULL,
  expected INTEGER NOT NULL REFERENCES digest (id),
  found    INTEGER REFERENCES digest (id),
  PRIMARY KEY (rebuild, position)
);
CREATE INDEX rebuild_artifact_expected ON rebuild_artifact (expected, rebuild);
CREATE INDEX rebuild_artifact_found    ON rebuild_artifact (found, rebuild);

CREATE TABLE verification (
  id      INTEGER PRIMARY KEY,
  subject INTEGER NOT NULL REFERENCES digest (id),
  ok      INTEGER NOT NULL,
  status  INTEGER NOT NULL,             -- the exit code
  class   TEXT    NOT NULL,             -- its name
  at      INTEGER NOT NULL,
  checks  INTEGER NOT NULL REFERENCES document (id)
);
CREATE INDEX verification_subject ON verification (subject, id);
CREATE TABLE verification_key (
  verification INTEGER NOT NULL REFERENCES verification (id),
  position     INTEGER NOT NULL,
  key_id       TEXT    NOT NULL,
  PRIMARY KEY (verification, position)
);
CREATE INDEX verification_key_key ON verification_key (key_id);

-- Append-only: one row per record, chained by hash.
CREATE TABLE audit (
  seq     INTEGER PRIMARY KEY,          -- 1, 2, 3, … without gaps
  at      INTEGER NOT NULL,
  kind    TEXT    NOT NULL,             -- build, attestation, rebuild, verification
  record  INTEGER NOT NULL,             -- id in the table of that name
  recipe  TEXT,                         -- of the build concerned, if known
  content BLOB    NOT NULL,             -- SHA-256 of the record's canonical JSON
  hash    BLOB    NOT NULL,             -- SHA-256 over the previous hash and this row
  UNIQUE (kind, record)
);
CREATE INDEX audit_recipe ON audit (recipe, seq);
CREATE INDEX audit_at     ON audit (at);

-- The newest audit row, in one row: shows when the end of the chain was cut off.
CREATE TABLE audit_head (
  id   INTEGER PRIMARY KEY CHECK (id = 1),
  seq  INTEGER NOT NULL,
  hash BLOB    NOT NULL
);
INSERT INTO audit_head (id, seq, hash)
VALUES (1, 0, x'0000000000000000000000000000000000000000000000000000000000000000');
