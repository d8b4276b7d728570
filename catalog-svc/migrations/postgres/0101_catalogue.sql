-- The catalogue (design: "One domain, several faces"): a D.Hub collection is an organization, a D.Hub dataset is a CKAN package,
-- a table belongs to a resource.

-- Read-only copy of the gateway's users. Rows elsewhere refer to it without a foreign key, because it may lag.
CREATE TABLE user_account (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    full_name TEXT NOT NULL,
    email TEXT NOT NULL,
    state TEXT NOT NULL,
    sysadmin BOOLEAN NOT NULL,
    service BOOLEAN NOT NULL,
    revision BIGINT NOT NULL
);

CREATE TABLE organization (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    description TEXT,
    state TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE membership (
    organization_id TEXT NOT NULL REFERENCES organization (id),
    user_id TEXT NOT NULL,
    capacity TEXT NOT NULL,
    PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX membership_user ON membership (user_id);

-- visibility: 'public' (everybody), 'signed-in' (every signed-in user) or 'private' (the organization).
CREATE TABLE dataset (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    description TEXT,
    organization_id TEXT REFERENCES organization (id),
    visibility TEXT NOT NULL,
    state TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    modified_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX dataset_organization ON dataset (organization_id);

CREATE TABLE resource (
    id TEXT PRIMARY KEY,
    dataset_id TEXT NOT NULL REFERENCES dataset (id),
    position BIGINT NOT NULL,
    name TEXT NOT NULL,
    format TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (dataset_id, position)
);
