-- What CKAN's face knows of a user (ckan.md 4.5). site_user: the administrator that the hub was started with.
ALTER TABLE user_account ADD COLUMN about TEXT;
ALTER TABLE user_account ADD COLUMN image_url TEXT;
ALTER TABLE user_account ADD COLUMN plugin_extras TEXT;
ALTER TABLE user_account ADD COLUMN site_user BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE user_account SET site_user = TRUE, revision = revision + 1
    WHERE id = (SELECT id FROM user_account WHERE sysadmin AND NOT service ORDER BY created_at, id LIMIT 1);
INSERT INTO user_outbox (user_id, revision) SELECT id, revision FROM user_account WHERE true
    ON CONFLICT (user_id) DO UPDATE SET revision = excluded.revision;
