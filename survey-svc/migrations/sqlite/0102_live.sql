-- Answers as a table of the catalogue (survey-svc/src/live/). state: on, off or lost. columns: JSON of those that the table was given last.
-- walking: whether all sheets are being written, newest first, as far as (walk_at, walk_id). A worker holds it until leased_until;
-- fence tells an earlier worker from a later one. epoch: another one whenever writing all sheets begins anew. tries: failures in a row; next_at: when it is tried next.
CREATE TABLE live_table (
    survey_id TEXT PRIMARY KEY REFERENCES survey (id),
    space_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    dataset_id TEXT NOT NULL,
    table_id TEXT NOT NULL,
    state TEXT NOT NULL,
    columns TEXT NOT NULL,
    walking BOOLEAN NOT NULL,
    walk_at TEXT,
    walk_id TEXT,
    tries INTEGER NOT NULL,
    next_at TEXT NOT NULL,
    leased_until TEXT NOT NULL,
    fence INTEGER NOT NULL,
    epoch INTEGER NOT NULL
);

-- Sheets whose rows are to be written, or taken out where there is no sheet any more. stamp: another one with every change, so that a
-- change that comes while the row is written is not forgotten. Triggers write it, in the transaction of the change, so no way of changing
-- a sheet can forget to. Whoever starts a table or adds sheets has locked the survey. A change of a sheet is marked whether there is a
-- table or not: an erasure that runs while a table is started must reach it; what nobody asks for is swept.
CREATE TABLE live_mark (
    sheet_id TEXT PRIMARY KEY,
    survey_id TEXT NOT NULL,
    stamp TEXT NOT NULL
);
CREATE INDEX live_mark_survey ON live_mark (survey_id, sheet_id);

CREATE TRIGGER live_added AFTER INSERT ON answer_sheet
WHEN EXISTS (SELECT 1 FROM live_table l WHERE l.survey_id = NEW.survey_id AND l.state = 'on')
BEGIN
    INSERT INTO live_mark (sheet_id, survey_id, stamp) VALUES (NEW.id, NEW.survey_id, hex(randomblob(16)))
    ON CONFLICT (sheet_id) DO UPDATE SET stamp = excluded.stamp;
END;
CREATE TRIGGER live_changed AFTER UPDATE OF answers, parameters ON answer_sheet
BEGIN
    INSERT INTO live_mark (sheet_id, survey_id, stamp) VALUES (NEW.id, NEW.survey_id, hex(randomblob(16)))
    ON CONFLICT (sheet_id) DO UPDATE SET stamp = excluded.stamp;
END;
CREATE TRIGGER live_removed AFTER DELETE ON answer_sheet
BEGIN
    INSERT INTO live_mark (sheet_id, survey_id, stamp) VALUES (OLD.id, OLD.survey_id, hex(randomblob(16)))
    ON CONFLICT (sheet_id) DO UPDATE SET stamp = excluded.stamp;
END;
