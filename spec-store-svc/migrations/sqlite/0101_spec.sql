-- Who has datasets; its row is locked while one is added, so that they are counted right.
CREATE TABLE owner (
    id TEXT PRIMARY KEY,
    touched_at TEXT NOT NULL
);

-- Datasets by `ownerid/dataset`. What was deleted keeps its last number, which is not used again.
CREATE TABLE dataset (
    id TEXT PRIMARY KEY,
    owner_id TEXT NOT NULL,
    name TEXT NOT NULL,
    findability TEXT NOT NULL,
    certified BOOLEAN NOT NULL,
    spec TEXT NOT NULL,
    -- What a later run by itself needs of the upload: principal, limits, address of files.
    origin TEXT NOT NULL,
    last_revision INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    deleted_at TEXT
);
CREATE INDEX dataset_owner ON dataset (owner_id, name);

-- Revisions by `ownerid/dataset/N`. state: pending, running, success, failed; trigger_kind: upload, schedule, rerun.
CREATE TABLE revision (
    id TEXT PRIMARY KEY,
    dataset_id TEXT NOT NULL REFERENCES dataset (id),
    number INTEGER NOT NULL,
    state TEXT NOT NULL,
    trigger_kind TEXT NOT NULL,
    -- Somebody else works on it and reports.
    external BOOLEAN NOT NULL,
    spec TEXT NOT NULL,
    errors TEXT NOT NULL,
    stats TEXT,
    logs TEXT,
    attempt INTEGER NOT NULL,
    -- The catalogue's dataset, once it was published.
    published_as TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    finished_at TEXT,
    UNIQUE (dataset_id, number)
);
CREATE INDEX revision_open ON revision (updated_at) WHERE state IN ('pending', 'running');

-- The planned pipelines of a revision. heard: an event came.
CREATE TABLE pipeline (
    id TEXT PRIMARY KEY,
    flow_id TEXT NOT NULL REFERENCES revision (id),
    position INTEGER NOT NULL,
    title TEXT NOT NULL,
    depends_on TEXT NOT NULL,
    state TEXT NOT NULL,
    heard BOOLEAN NOT NULL,
    errors TEXT NOT NULL,
    stats TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE INDEX pipeline_flow ON pipeline (flow_id, position);

-- What pipeline-svc has to be told, oldest first. kind: start, cancel, remove.
CREATE TABLE command (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    request BLOB NOT NULL,
    principal TEXT NOT NULL
);

-- The number of the last event of pipeline-svc that was kept.
CREATE TABLE cursor (
    name TEXT PRIMARY KEY,
    number INTEGER NOT NULL
);
INSERT INTO cursor (name, number) VALUES ('flows', 0);
