-- What an access key may do, and until when. secret_mark: equal for equal secrets, so that a key is found whose secret was sent in
-- place of its name; made at start for keys that have none. per_second, per_day, per_month: its usage plan, absent = no limit.
ALTER TABLE access_key ADD COLUMN expires_at TIMESTAMPTZ;
ALTER TABLE access_key ADD COLUMN secret_mark TEXT;
ALTER TABLE access_key ADD COLUMN per_second BIGINT;
ALTER TABLE access_key ADD COLUMN per_day BIGINT;
ALTER TABLE access_key ADD COLUMN per_month BIGINT;
CREATE INDEX access_key_secret_mark ON access_key (secret_mark);
CREATE INDEX access_key_user ON access_key (user_id);

-- Requests of a key in a calendar day (2026-11-24) or month (2026-11) of Asia/Seoul; taken in blocks, so it may run ahead a little.
CREATE TABLE key_usage (
    access_key TEXT NOT NULL,
    period TEXT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (access_key, period)
);

-- One row whose number grows with each change of a user, a space or a key: what gateways have cached holds as long as it stands still.
CREATE TABLE identity_revision (
    id BIGINT PRIMARY KEY,
    number BIGINT NOT NULL
);
INSERT INTO identity_revision (id, number) VALUES (1, 0);
