-- steps: JSON of the definition as saved.
CREATE TABLE pipeline (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    description TEXT,
    organization_id TEXT,
    steps TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL
);

-- A run carries everything that it needs: the definition as of its start and the principal on whose behalf it works.
-- state: queued, running, succeeded, failed or cancelled. attempts is the fence too: a worker may write only under its own number.
CREATE TABLE run (
    id TEXT PRIMARY KEY,
    pipeline_id TEXT NOT NULL REFERENCES pipeline (id),
    title TEXT NOT NULL,
    definition TEXT NOT NULL,
    run_as TEXT NOT NULL,
    trigger_kind TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    lease_until TEXT,
    queued_at TEXT NOT NULL,
    started_at TEXT,
    finished_at TEXT
);
CREATE INDEX run_pipeline ON run (pipeline_id, id);
-- Runs of one pipeline are worked off one after the other.
CREATE UNIQUE INDEX run_one_running ON run (pipeline_id) WHERE state = 'running';
CREATE INDEX run_open ON run (id) WHERE state IN ('queued', 'running');

CREATE TABLE step_run (
    run_id TEXT NOT NULL REFERENCES run (id),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    rows_in INTEGER NOT NULL,
    rows_out INTEGER NOT NULL,
    comment TEXT,
    started_at TEXT,
    finished_at TEXT,
    PRIMARY KEY (run_id, position)
);

CREATE TABLE run_log (
    id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES run (id),
    time TEXT NOT NULL,
    level TEXT NOT NULL,
    step TEXT NOT NULL,
    message TEXT NOT NULL
);
CREATE INDEX run_log_run ON run_log (run_id, id);
