-- CKAN's face of the catalogue (ckan.md section 4). What both faces know has columns; what only CKAN's callers write stands in JSON
-- objects beside them (`fields`, `extras`).

ALTER TABLE user_account ADD COLUMN about TEXT;
ALTER TABLE user_account ADD COLUMN image_url TEXT;
ALTER TABLE user_account ADD COLUMN created_at TIMESTAMPTZ;
ALTER TABLE user_account ADD COLUMN site_user BOOLEAN NOT NULL DEFAULT FALSE;

-- A group is an organization that owns nothing; D.Hub does not know groups.
ALTER TABLE organization ADD COLUMN is_organization BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE organization ADD COLUMN type TEXT NOT NULL DEFAULT 'organization';
ALTER TABLE organization ADD COLUMN image_url TEXT NOT NULL DEFAULT '';
ALTER TABLE organization ADD COLUMN extras JSONB NOT NULL DEFAULT '{}';

-- The groups that a group lies below, as its members wrote; and every one above it, which permissions ask for.
CREATE TABLE organization_parent (
    organization_id TEXT NOT NULL REFERENCES organization (id),
    parent_id TEXT NOT NULL REFERENCES organization (id),
    PRIMARY KEY (organization_id, parent_id)
);
CREATE INDEX organization_parent_parent ON organization_parent (parent_id);
CREATE TABLE organization_ancestor (
    organization_id TEXT NOT NULL REFERENCES organization (id),
    ancestor_id TEXT NOT NULL REFERENCES organization (id),
    PRIMARY KEY (organization_id, ancestor_id)
);

-- fields: url, author, author_email, maintainer, maintainer_email, license_id, version, type. extras: texts by key.
ALTER TABLE dataset ADD COLUMN fields JSONB NOT NULL DEFAULT '{}';
ALTER TABLE dataset ADD COLUMN extras JSONB NOT NULL DEFAULT '{}';
ALTER TABLE dataset ADD COLUMN plugin_data JSONB;
CREATE INDEX dataset_creator ON dataset (created_by);
CREATE INDEX dataset_modified ON dataset (modified_at, id) WHERE state = 'active' AND visibility = 'public';

CREATE TABLE dataset_group (
    dataset_id TEXT NOT NULL REFERENCES dataset (id),
    group_id TEXT NOT NULL REFERENCES organization (id),
    PRIMARY KEY (dataset_id, group_id)
);
CREATE INDEX dataset_group_group ON dataset_group (group_id);

-- fields: every other key of the resource's dictionary. position only orders; it is given anew above the highest when the order changes.
ALTER TABLE resource ADD COLUMN fields JSONB NOT NULL DEFAULT '{}';
ALTER TABLE resource ADD COLUMN modified_at TIMESTAMPTZ;
CREATE INDEX resource_active ON resource (dataset_id, position) WHERE state = 'active';

CREATE TABLE vocabulary (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- Free tags belong to the vocabulary ''. A tag's id comes from its name, so that nobody has to look it up.
CREATE TABLE tag (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    vocabulary_id TEXT NOT NULL DEFAULT '',
    UNIQUE (vocabulary_id, name)
);

ALTER TABLE thing_tag RENAME TO thing_tag_old;
CREATE TABLE thing_tag (
    thing_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    name TEXT NOT NULL,
    vocabulary_id TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (thing_id, vocabulary_id, name)
);
INSERT INTO thing_tag (thing_id, position, name) SELECT thing_id, position, name FROM thing_tag_old;
DROP TABLE thing_tag_old;
CREATE INDEX thing_tag_by_name ON thing_tag (vocabulary_id, name);

CREATE TABLE collaborator (
    dataset_id TEXT NOT NULL REFERENCES dataset (id),
    user_id TEXT NOT NULL,
    capacity TEXT NOT NULL,
    modified_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (dataset_id, user_id)
);
CREATE INDEX collaborator_user ON collaborator (user_id);

-- Stored as the first of each pair of types: depends_on, derives_from, links_to, child_of.
CREATE TABLE relationship (
    id TEXT PRIMARY KEY,
    subject_id TEXT NOT NULL REFERENCES dataset (id),
    object_id TEXT NOT NULL REFERENCES dataset (id),
    type TEXT NOT NULL,
    comment TEXT NOT NULL,
    UNIQUE (subject_id, object_id, type)
);
CREATE INDEX relationship_object ON relationship (object_id);

-- settings: what its type has beside title and description.
CREATE TABLE resource_view (
    id TEXT PRIMARY KEY,
    resource_id TEXT NOT NULL REFERENCES resource (id),
    position BIGINT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    view_type TEXT NOT NULL,
    settings JSONB NOT NULL
);
CREATE INDEX resource_view_resource ON resource_view (resource_id, position);

-- kind: user, dataset, group (organizations too).
CREATE TABLE follow (
    kind TEXT NOT NULL,
    follower_id TEXT NOT NULL,
    object_id TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (kind, follower_id, object_id)
);
CREATE INDEX follow_object ON follow (kind, object_id);

-- data: the object as it was after the change; after the change of one resource its dataset with that resource alone, so that a
-- change costs the same in a large dataset. owner_id: the dataset's organization then, for the organization's list.
CREATE TABLE activity (
    id TEXT PRIMARY KEY,
    at TIMESTAMPTZ NOT NULL,
    user_id TEXT NOT NULL,
    object_id TEXT NOT NULL,
    owner_id TEXT,
    type TEXT NOT NULL,
    data JSONB NOT NULL,
    public BOOLEAN NOT NULL
);
CREATE INDEX activity_object ON activity (object_id, at);
CREATE INDEX activity_owner ON activity (owner_id, at);
CREATE INDEX activity_user ON activity (user_id, at);
CREATE INDEX activity_at ON activity (at);

-- When a user last looked at the dashboard.
CREATE TABLE dashboard (
    user_id TEXT PRIMARY KEY,
    looked_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE task_status (
    id TEXT PRIMARY KEY,
    entity_id TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    task_type TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT,
    state TEXT,
    error TEXT,
    last_updated TEXT,
    UNIQUE (entity_id, task_type, key)
);

CREATE TABLE term_translation (
    term TEXT NOT NULL,
    lang_code TEXT NOT NULL,
    term_translation TEXT NOT NULL,
    PRIMARY KEY (term, lang_code)
);

-- Options of the site that were changed while it runs.
CREATE TABLE site_option (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
