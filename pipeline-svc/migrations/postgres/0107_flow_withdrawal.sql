-- Packages of datasets that were removed. until: so long somebody may still be making one, who finds out late.
CREATE TABLE flow_withdrawal (
    dataset_id TEXT PRIMARY KEY,
    until TIMESTAMPTZ NOT NULL
);
CREATE INDEX flow_publication_package ON flow_publication (dataset_id);

-- Whoever brings a file holds this row while the owner's files are counted.
INSERT INTO flow_counter (name, value) VALUES ('file', 0);
