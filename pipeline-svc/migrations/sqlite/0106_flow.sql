-- What source specs become (spec-store.md 4 and 6). state: 'queued', 'running', 'succeeded' or 'failed'. request: the message that
-- started it. Nobody but the holder of the newest fence writes. slot: which of its owner's places it takes while it runs.
CREATE TABLE flow (
    id TEXT PRIMARY KEY,
    flow_id TEXT NOT NULL UNIQUE,
    owner_id TEXT NOT NULL,
    dataset TEXT NOT NULL,
    revision INTEGER NOT NULL,
    request BLOB NOT NULL,
    principal TEXT NOT NULL,
    state TEXT NOT NULL,
    slot INTEGER,
    fence INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    lease_until TEXT,
    queued_at TEXT NOT NULL,
    started_at TEXT,
    finished_at TEXT
);
CREATE INDEX flow_open ON flow (state, queued_at);
CREATE INDEX flow_dataset ON flow (owner_id, dataset, revision);
CREATE UNIQUE INDEX flow_slot ON flow (owner_id, slot) WHERE state = 'running';

-- state: 'open', 'succeeded' or 'failed'. same_as: what an artifact that would come out the same has too. made: JSON of what came of it.
CREATE TABLE flow_pipeline (
    flow_id TEXT NOT NULL REFERENCES flow (flow_id) ON DELETE CASCADE,
    pipeline_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    state TEXT NOT NULL,
    same_as TEXT,
    made TEXT,
    PRIMARY KEY (flow_id, pipeline_id)
);
CREATE INDEX flow_pipeline_same ON flow_pipeline (same_as) WHERE same_as IS NOT NULL;

-- The publication of a flow that succeeded. state: 'waiting', 'done' or 'given-up'. Every try raises the fence.
CREATE TABLE flow_publication (
    flow_id TEXT PRIMARY KEY REFERENCES flow (flow_id) ON DELETE CASCADE,
    owner_id TEXT NOT NULL,
    dataset TEXT NOT NULL,
    revision INTEGER NOT NULL,
    state TEXT NOT NULL,
    due_at TEXT NOT NULL,
    lease_until TEXT,
    fence INTEGER NOT NULL,
    dataset_id TEXT
);
CREATE INDEX flow_publication_due ON flow_publication (state, due_at);
CREATE INDEX flow_publication_dataset ON flow_publication (owner_id, dataset, revision);

-- What the Spec Store is told, in order: who writes here holds the row of flow_counter. message: a FlowEvent without its number.
CREATE TABLE flow_event (
    number INTEGER PRIMARY KEY,
    flow_id TEXT NOT NULL,
    message BLOB NOT NULL
);
CREATE TABLE flow_counter (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
);
INSERT INTO flow_counter (name, value) VALUES ('event', 0), ('publication', 0);

-- Files by key. stored: its name on the object store, below flows/. state: 'waiting' (its bytes are on their way), 'kept' or 'gone'.
CREATE TABLE flow_file (
    stored TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    dataset TEXT NOT NULL,
    state TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    md5 TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    content_type TEXT NOT NULL,
    private INTEGER NOT NULL,
    since TEXT NOT NULL
);
CREATE UNIQUE INDEX flow_file_key ON flow_file (key) WHERE state = 'kept';
CREATE INDEX flow_file_dataset ON flow_file (owner_id, dataset);
CREATE INDEX flow_file_state ON flow_file (state, since) WHERE state <> 'kept';

-- What a source's address answered last: its ETag, and the key of the copy that was kept.
CREATE TABLE flow_source (
    owner_id TEXT NOT NULL,
    dataset TEXT NOT NULL,
    url TEXT NOT NULL,
    tag TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (owner_id, dataset, url)
);
