-- Buckets that were made here; a folder that was put there by hand has no row until it is granted.
CREATE TABLE bucket (
    name TEXT PRIMARY KEY,
    created_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- Which spaces may read or write a bucket. access: 'read' or 'write', which is both.
CREATE TABLE bucket_grant (
    bucket TEXT NOT NULL REFERENCES bucket (name),
    space_id TEXT NOT NULL,
    access TEXT NOT NULL,
    PRIMARY KEY (bucket, space_id)
);

-- What the gateway told at its start. name: 'first_space'.
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Databases of users. kind: 'postgresql' or 'mysql'; tls: 'prefer', 'require' or 'off'; secret: the password, sealed.
CREATE TABLE connection (
    id TEXT PRIMARY KEY,
    space_id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    host TEXT NOT NULL,
    port BIGINT NOT NULL,
    database TEXT NOT NULL,
    username TEXT NOT NULL,
    secret TEXT NOT NULL,
    tls TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (space_id, name)
);

-- The commit record of a job's run: from then on what its targets wrote is published, whatever happens to the worker. body: JSON of
-- what is to be done; tables: the message for the catalogue, if it has a part. The row goes when all is done.
CREATE TABLE job_publish (
    run_id TEXT PRIMARY KEY REFERENCES run (id),
    body TEXT NOT NULL,
    tables BYTEA,
    created_at TIMESTAMPTZ NOT NULL
);
