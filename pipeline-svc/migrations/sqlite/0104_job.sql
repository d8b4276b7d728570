-- Jobs, workflows and triggers of spaces (dataflow.md). short_id: twelve letters and digits, the name that clients use. Definitions,
-- conditions, nodes and rules are messages of the contract.
-- state: 'runnable', 'draft', 'editing' (what it links to has gone) or 'deleted'; what its runs add to that is looked up.
CREATE TABLE job (
    id TEXT PRIMARY KEY,
    short_id TEXT NOT NULL UNIQUE,
    space_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    definition BLOB NOT NULL,
    condition BLOB NOT NULL,
    max_concurrent_runs INTEGER NOT NULL,
    state TEXT NOT NULL,
    revision INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    modified_at TEXT NOT NULL
);
CREATE UNIQUE INDEX job_name ON job (space_id, name) WHERE state <> 'deleted';
CREATE INDEX job_space ON job (space_id, created_at, id);
CREATE INDEX run_active ON run (subject_id) WHERE state IN ('queued', 'running');

-- kind: 'scheduled', 'event' or 'none'. state: 'active' or 'deleted'.
CREATE TABLE start_trigger (
    id TEXT PRIMARY KEY,
    short_id TEXT NOT NULL UNIQUE,
    space_id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    rule BLOB NOT NULL,
    state TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    modified_at TEXT NOT NULL
);
CREATE UNIQUE INDEX trigger_name ON start_trigger (space_id, name) WHERE state <> 'deleted';
CREATE INDEX trigger_space ON start_trigger (space_id, created_at, id);

-- trigger_id: its start; absent in drafts without one. run_as: who saved it last, and on whose behalf it runs. state: 'active', 'draft'
-- or 'deleted'. Its next moment is its timer.
CREATE TABLE workflow (
    id TEXT PRIMARY KEY,
    short_id TEXT NOT NULL UNIQUE,
    space_id TEXT NOT NULL,
    name TEXT NOT NULL,
    nodes BLOB NOT NULL,
    trigger_id TEXT REFERENCES start_trigger (id),
    run_as TEXT NOT NULL,
    state TEXT NOT NULL,
    revision INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    modified_at TEXT NOT NULL
);
CREATE UNIQUE INDEX workflow_name ON workflow (space_id, name) WHERE state <> 'deleted';
CREATE INDEX workflow_space ON workflow (space_id, created_at, id);
CREATE INDEX workflow_trigger ON workflow (trigger_id);

-- Every start of a workflow, with its nodes as they were then. slot: the moment of the schedule, absent for one by hand: no slot
-- starts a workflow twice.
CREATE TABLE firing (
    id TEXT PRIMARY KEY,
    short_id TEXT NOT NULL UNIQUE,
    workflow_id TEXT NOT NULL REFERENCES workflow (id),
    trigger_id TEXT NOT NULL REFERENCES start_trigger (id),
    slot TEXT,
    nodes BLOB NOT NULL,
    run_as TEXT NOT NULL,
    origin TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE UNIQUE INDEX firing_slot ON firing (workflow_id, slot) WHERE slot IS NOT NULL;

-- What a run of a job is beyond a run. firing_id: the start that it belongs to, in which each job runs once.
CREATE TABLE execution (
    run_id TEXT PRIMARY KEY REFERENCES run (id),
    short_id TEXT NOT NULL UNIQUE,
    space_id TEXT NOT NULL,
    job_id TEXT NOT NULL REFERENCES job (id),
    workflow_id TEXT REFERENCES workflow (id),
    trigger_id TEXT REFERENCES start_trigger (id),
    firing_id TEXT REFERENCES firing (id),
    condition BLOB NOT NULL,
    origin TEXT NOT NULL,
    made_at TEXT NOT NULL
);
CREATE INDEX execution_space ON execution (space_id, made_at);
CREATE INDEX execution_job ON execution (job_id, run_id);
CREATE INDEX execution_workflow ON execution (workflow_id, run_id);
CREATE UNIQUE INDEX execution_once ON execution (firing_id, job_id) WHERE firing_id IS NOT NULL;

-- Runs that completed within a workflow and whose next jobs are not started yet: written with the end of the run, taken with the
-- start of the next ones.
CREATE TABLE follow_up (
    run_id TEXT PRIMARY KEY REFERENCES run (id),
    firing_id TEXT NOT NULL REFERENCES firing (id)
);
