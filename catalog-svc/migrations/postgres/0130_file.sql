-- Uploaded files (ckan.md section 7) and the loads that make tables of them (6.9).

-- A file on the object store. It is written down before its first byte is stored, and forgotten after its last one is removed.
-- state: 'waiting' for the change that it belongs to, 'kept', or 'gone': to be removed a while after since.
CREATE TABLE file (
    key TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    owner_id TEXT,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    bytes BIGINT NOT NULL DEFAULT 0,
    sha256 TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL,
    since TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX file_owner ON file (kind, owner_id) WHERE state = 'kept';
CREATE INDEX file_left ON file (state, since) WHERE state <> 'kept';
CREATE INDEX file_image ON file (name) WHERE state = 'kept' AND kind = 'image';

-- The load of a resource: one row for each, so that a newer wish takes the place of an older one.
-- number: counts the wishes; what was begun for an earlier one is given up. claim: who works on it, until lease_until.
-- principal: JSON of whom it works for. digest: what was loaded last, so that the same is not loaded again.
-- types: JSON, PostgreSQL types by columns' names, which somebody chose; they stay.
CREATE TABLE load (
    resource_id TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    forced BOOLEAN NOT NULL,
    principal TEXT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    claim TEXT NOT NULL DEFAULT '',
    due_at TIMESTAMPTZ NOT NULL,
    requested_at TIMESTAMPTZ NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    digest TEXT NOT NULL DEFAULT '',
    loaded_rows BIGINT NOT NULL DEFAULT 0,
    bad_rows BIGINT NOT NULL DEFAULT 0,
    types TEXT NOT NULL DEFAULT '{}',
    error TEXT NOT NULL DEFAULT '',
    log TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX load_open ON load (due_at) WHERE state IN ('pending', 'running');
