-- Every schema that a table has had: number 1 and up, one more at each change of the columns (Data Flow's schemaVersion).
CREATE TABLE schema_version (
    table_id TEXT NOT NULL REFERENCES lake_table (id),
    number BIGINT NOT NULL,
    columns TEXT NOT NULL,
    PRIMARY KEY (table_id, number)
);
INSERT INTO schema_version (table_id, number, columns) SELECT id, 1, columns FROM lake_table WHERE publishes > 0;
