-- The tail: rows that are not in a table's files yet (ARCHITECTURE.md, "The tail"). row_id: as in the files. key: the row's cells in the
-- columns of the table's unique key, as text; null while the row is deleted, has an empty cell there, or the table has no key. body: a JSON object
-- of the row's cells; null = deleted. in_files: a file holds a row of this id, which no longer counts. seq: the change that wrote it;
-- at: when the row came into the tail (milliseconds).
CREATE TABLE tail_row (
    table_id TEXT NOT NULL REFERENCES lake_table (id),
    row_id INTEGER NOT NULL,
    key TEXT,
    body TEXT,
    in_files BOOLEAN NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (table_id, row_id)
);
CREATE UNIQUE INDEX tail_row_key ON tail_row (table_id, key) WHERE key IS NOT NULL;

-- Counts the changes of all tails.
CREATE TABLE tail_change (
    last INTEGER NOT NULL
);
INSERT INTO tail_change (last) VALUES (0);

-- unfolded: columns that no version has yet. dropped: there is no table any more, though its versions are kept.
ALTER TABLE lake_table ADD COLUMN unfolded BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE lake_table ADD COLUMN dropped BOOLEAN NOT NULL DEFAULT FALSE;

-- What the DataStore knows of a table beside its columns. fields: a JSON object, the column's name to its PostgreSQL type and "info".
-- unique_key, indexes: JSON lists of columns. revision counts changes of these.
CREATE TABLE datastore (
    table_id TEXT PRIMARY KEY REFERENCES lake_table (id),
    fields TEXT NOT NULL,
    unique_key TEXT NOT NULL,
    indexes TEXT NOT NULL,
    revision INTEGER NOT NULL
);

-- Other names of tables.
CREATE TABLE datastore_alias (
    name TEXT PRIMARY KEY,
    table_id TEXT NOT NULL REFERENCES lake_table (id)
);
CREATE INDEX datastore_alias_table ON datastore_alias (table_id);
