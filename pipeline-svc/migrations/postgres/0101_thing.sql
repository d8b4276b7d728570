-- Pipelines and codes: what they have in common, and their own message of the contract in body.
-- kind: 'pipeline' or 'code'. reader_groups: groups of users that may read it, none = every signed-in user. state: 'active' or 'deleted'.
CREATE TABLE thing (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT,
    alias TEXT,
    organization_id TEXT,
    reader_groups JSONB NOT NULL,
    tags JSONB NOT NULL,
    body BYTEA NOT NULL,
    state TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    modified_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX thing_title ON thing (kind, title);
CREATE INDEX thing_organization ON thing (organization_id) WHERE organization_id IS NOT NULL;

-- Every version of a thing, as its message on the wire.
CREATE TABLE thing_version (
    thing_id TEXT NOT NULL REFERENCES thing (id),
    revision BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (thing_id, revision)
);

-- The versions of a code's script; runs refer to them, so they stay.
CREATE TABLE script (
    code_id TEXT NOT NULL REFERENCES thing (id),
    version BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (code_id, version)
);
