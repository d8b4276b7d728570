-- What each publish does with the rows that are there: append, overwrite, merge, delete, widen, compact. A publish that was made
-- from a version is refused if one that it can't stand was decided since.
ALTER TABLE publish_change ADD COLUMN kind TEXT NOT NULL DEFAULT 'overwrite';
CREATE INDEX publish_change_version ON publish_change (table_id, version);

-- Upkeep of tables. compacted: the publish up to which files were looked at. swept_to: the time (milliseconds) up to which files
-- were looked at that nobody may need. kept_from: versions below it may need files that are not kept; kept_since: the time since
-- when; expired_to: the version up to which the files that were taken out are removed.
ALTER TABLE lake_table ADD COLUMN compacted BIGINT NOT NULL DEFAULT 0;
ALTER TABLE lake_table ADD COLUMN swept_to BIGINT NOT NULL DEFAULT 0;
ALTER TABLE lake_table ADD COLUMN kept_from BIGINT NOT NULL DEFAULT 0;
ALTER TABLE lake_table ADD COLUMN kept_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE lake_table ADD COLUMN expired_to BIGINT NOT NULL DEFAULT 0;

-- Row ids below settled were reserved so long ago that they are not used any more unless they are in a version; mark is the next
-- value of settled, as of marked_at (milliseconds).
ALTER TABLE row_id ADD COLUMN settled BIGINT NOT NULL DEFAULT 0;
ALTER TABLE row_id ADD COLUMN mark BIGINT NOT NULL DEFAULT 0;
ALTER TABLE row_id ADD COLUMN marked_at BIGINT NOT NULL DEFAULT 0;

-- What callers wrote beside their columns: a JSON object, the column's name to an object.
ALTER TABLE dataset ADD COLUMN column_metadata TEXT;
CREATE INDEX lake_table_uncompacted ON lake_table (id) WHERE publishes > compacted;
