-- A run carries everything that it needs: the definition as of its start, its parameters, and the principal on whose behalf it works.
-- kind: what the definition is a message of ('pipeline'); subject_id: the thing that is run. state: queued, running, succeeded, failed
-- or cancelled. Runs of one serial_key are worked off in order, serial_limit at a time, each in a slot of its own.
-- fence: raised by every claim; a worker may write only under its own. attempts counts claims that were not given back.
CREATE TABLE run (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    title TEXT NOT NULL,
    definition BLOB NOT NULL,
    parameters TEXT NOT NULL,
    run_as TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    space_id TEXT,
    trigger_kind TEXT NOT NULL,
    state TEXT NOT NULL,
    serial_key TEXT NOT NULL,
    serial_limit INTEGER NOT NULL,
    serial_slot INTEGER,
    fence INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    attempts_limit INTEGER NOT NULL,
    timeout_seconds INTEGER NOT NULL,
    lease_until TEXT,
    cancel_at TEXT,
    queued_at TEXT NOT NULL,
    started_at TEXT,
    finished_at TEXT
);
CREATE INDEX run_subject ON run (subject_id, id);
CREATE INDEX run_queued ON run (serial_key, id) WHERE state = 'queued';
CREATE UNIQUE INDEX run_slot ON run (serial_key, serial_slot) WHERE state = 'running';
CREATE INDEX run_of_owner ON run (owner_id) WHERE state = 'running';
CREATE INDEX run_of_space ON run (space_id) WHERE state = 'running';

CREATE TABLE step_run (
    run_id TEXT NOT NULL REFERENCES run (id),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    rows_in INTEGER NOT NULL,
    rows_out INTEGER NOT NULL,
    bad_values INTEGER NOT NULL,
    comment TEXT,
    stacktrace TEXT,
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

-- The version of each input that a step of a run reads, in every attempt. since: the version up to which the step had read before.
CREATE TABLE run_pin (
    run_id TEXT NOT NULL REFERENCES run (id),
    step TEXT NOT NULL,
    input TEXT NOT NULL,
    table_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    since INTEGER,
    PRIMARY KEY (run_id, step, input)
);

-- The version up to which a step has read an input and published what it made of it.
CREATE TABLE checkpoint (
    subject_id TEXT NOT NULL,
    step TEXT NOT NULL,
    input TEXT NOT NULL,
    table_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (subject_id, step, input)
);
