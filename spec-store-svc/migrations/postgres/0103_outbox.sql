-- Commands of one dataset are carried out one after another, by one process at a time.
ALTER TABLE command ADD COLUMN dataset TEXT NOT NULL DEFAULT '';
-- Not before; a claim moves it on.
ALTER TABLE command ADD COLUMN due_at TIMESTAMPTZ NOT NULL DEFAULT 'epoch';
ALTER TABLE command ADD COLUMN attempt BIGINT NOT NULL DEFAULT 0;
CREATE INDEX command_dataset ON command (dataset, id);
