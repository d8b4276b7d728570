-- A table of the lake; its id is its resource's id.
-- columns: JSON of its visible columns as of the last publish; publishes: number of the last publish that was decided;
-- version: the Delta version that the last applied publish made.
CREATE TABLE lake_table (
    id TEXT PRIMARY KEY REFERENCES resource (id),
    columns TEXT NOT NULL,
    publishes BIGINT NOT NULL,
    version BIGINT
);

-- Row ids are handed out before a table exists; what is not used stays a gap.
CREATE TABLE row_id (
    table_id TEXT PRIMARY KEY,
    next BIGINT NOT NULL
);

-- The publish journal. A row here is the commit record: from then on the publish is always rolled forward.
CREATE TABLE publish (
    id TEXT PRIMARY KEY,
    run_id TEXT,
    step TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (run_id, step)
);

-- What a publish does to each table; number counts the publishes of that table. When it is applied, version is filled in and
-- change is emptied.
CREATE TABLE publish_change (
    publish_id TEXT NOT NULL REFERENCES publish (id),
    table_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    change TEXT NOT NULL,
    version BIGINT,
    PRIMARY KEY (table_id, number)
);
CREATE INDEX publish_change_publish ON publish_change (publish_id);
CREATE INDEX publish_change_open ON publish_change (table_id, number) WHERE version IS NULL;

-- The highest fence under which each run has published.
CREATE TABLE run_fence (
    run_id TEXT PRIMARY KEY,
    fence BIGINT NOT NULL
);
