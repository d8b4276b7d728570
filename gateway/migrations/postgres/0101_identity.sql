-- Users, spaces and credentials. They live here and nowhere else.

-- groups, tags: arrays of texts. owner_id: MD5 of the e-mail in lower case, the Spec Store's user id. service: a space's own principal, not a person.
CREATE TABLE user_account (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL UNIQUE,
    full_name TEXT NOT NULL,
    password_hash TEXT,
    owner_id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    sysadmin BOOLEAN NOT NULL,
    service BOOLEAN NOT NULL,
    alias TEXT,
    groups JSONB NOT NULL,
    tags JSONB NOT NULL,
    revision BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- Every version of a person, as D.Hub shows it; never a password hash.
CREATE TABLE user_version (
    user_id TEXT NOT NULL REFERENCES user_account (id),
    revision BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (user_id, revision)
);

-- A tenant. Its API key acts as its own service principal; both keys are encrypted.
CREATE TABLE space (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    service_user_id TEXT NOT NULL REFERENCES user_account (id),
    api_key TEXT NOT NULL,
    hmac_key TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE space_member (
    space_id TEXT NOT NULL REFERENCES space (id),
    user_id TEXT NOT NULL REFERENCES user_account (id),
    role TEXT NOT NULL,
    PRIMARY KEY (space_id, user_id)
);
CREATE INDEX space_member_user ON space_member (user_id);

-- For NCP signatures; the secret is encrypted.
CREATE TABLE access_key (
    access_key TEXT PRIMARY KEY,
    secret TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES user_account (id),
    space_id TEXT NOT NULL REFERENCES space (id),
    state TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- CKAN's API tokens by their `jti`; the token text is kept nowhere.
CREATE TABLE api_token (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    last_access TIMESTAMPTZ
);
CREATE INDEX api_token_user ON api_token (user_id);

-- Refresh tokens that were ended before their time, by their `jti`.
CREATE TABLE revoked_token (
    id TEXT PRIMARY KEY,
    expires_at TIMESTAMPTZ NOT NULL
);

-- User changes on their way to the catalogue; a row stays until the catalogue has acknowledged it.
CREATE TABLE user_outbox (
    user_id TEXT PRIMARY KEY REFERENCES user_account (id),
    revision BIGINT NOT NULL
);
