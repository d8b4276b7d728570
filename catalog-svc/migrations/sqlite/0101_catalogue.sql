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
    revision INTEGER NOT NULL
);

CREATE TABLE organization (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    description TEXT,
    alias TEXT,
    kind TEXT,
    state TEXT NOT NULL,
    revision INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    modified_at TEXT NOT NULL
);
CREATE INDEX organization_title ON organization (title);

CREATE TABLE membership (
    organization_id TEXT NOT NULL REFERENCES organization (id),
    user_id TEXT NOT NULL,
    capacity TEXT NOT NULL,
    PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX membership_user ON membership (user_id);

-- kind: 'table' or 'stream'. columns: JSON of the columns that its table has or will have. options: a JSON object.
-- visibility: 'public' (everybody), 'signed-in' (every signed-in user) or 'private' (the organization).
CREATE TABLE dataset (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    description TEXT,
    alias TEXT,
    kind TEXT NOT NULL,
    columns TEXT,
    options TEXT NOT NULL,
    organization_id TEXT REFERENCES organization (id),
    visibility TEXT NOT NULL,
    state TEXT NOT NULL,
    revision INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    modified_at TEXT NOT NULL
);
CREATE INDEX dataset_organization ON dataset (organization_id);
CREATE INDEX dataset_title ON dataset (title);

-- Tags of organizations and datasets, in the order in which they were given.
CREATE TABLE thing_tag (
    thing_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (thing_id, name)
);
CREATE INDEX thing_tag_name ON thing_tag (name);

-- Groups of users that may read a thing; none = every signed-in user.
CREATE TABLE thing_group (
    thing_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (thing_id, name)
);

CREATE TABLE user_group (
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (user_id, name)
);

-- Every version of an organization or a dataset, as its message on the wire.
CREATE TABLE object_version (
    thing_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    at TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (thing_id, revision)
);

CREATE TABLE resource (
    id TEXT PRIMARY KEY,
    dataset_id TEXT NOT NULL REFERENCES dataset (id),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    format TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (dataset_id, position)
);
