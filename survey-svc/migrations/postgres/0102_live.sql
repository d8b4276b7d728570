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
    walk_at TIMESTAMPTZ,
    walk_id TEXT,
    tries BIGINT NOT NULL,
    next_at TIMESTAMPTZ NOT NULL,
    leased_until TIMESTAMPTZ NOT NULL,
    fence BIGINT NOT NULL,
    epoch BIGINT NOT NULL
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

CREATE FUNCTION live_added() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO live_mark (sheet_id, survey_id, stamp)
    SELECT a.id, a.survey_id, gen_random_uuid()::text FROM added a JOIN live_table l ON l.survey_id = a.survey_id AND l.state = 'on'
    ORDER BY a.id
    ON CONFLICT (sheet_id) DO UPDATE SET stamp = excluded.stamp;
    RETURN NULL;
END
$$;
CREATE TRIGGER live_added AFTER INSERT ON answer_sheet REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION live_added();

CREATE FUNCTION live_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO live_mark (sheet_id, survey_id, stamp) VALUES (OLD.id, OLD.survey_id, gen_random_uuid()::text)
    ON CONFLICT (sheet_id) DO UPDATE SET stamp = excluded.stamp;
    RETURN NULL;
END
$$;
CREATE TRIGGER live_changed AFTER UPDATE OF answers, parameters ON answer_sheet FOR EACH ROW EXECUTE FUNCTION live_changed();
CREATE TRIGGER live_removed AFTER DELETE ON answer_sheet FOR EACH ROW EXECUTE FUNCTION live_changed();
