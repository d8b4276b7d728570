-- The log that search indexes follow: the numbers of the changes of each dataset, whoever made them; of older changes of a dataset only
-- the newest stays. Triggers write it, so that no way of changing a dataset, its resources, tags, groups, relationships, or what it
-- belongs to can be forgotten. Rows are only added, once for each dataset and transaction, so that no writer waits for another.
-- place: the number of the transaction, because transactions do not end in the order of seq.
CREATE TABLE search_change (
    seq BIGINT GENERATED ALWAYS AS IDENTITY,
    place BIGINT NOT NULL,
    dataset_id TEXT NOT NULL,
    PRIMARY KEY (place, dataset_id)
);
CREATE INDEX search_change_dataset ON search_change (dataset_id, seq);

CREATE FUNCTION search_note(changed TEXT) RETURNS VOID LANGUAGE sql AS $$
    INSERT INTO search_change (place, dataset_id) VALUES (pg_current_xact_id()::TEXT::BIGINT, changed) ON CONFLICT DO NOTHING
$$;
SELECT search_note(id) FROM dataset ORDER BY id;

CREATE FUNCTION search_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    changed JSONB := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
BEGIN
    PERFORM search_note(changed ->> TG_ARGV[0]);
    IF TG_NARGS > 1 THEN
        PERFORM search_note(changed ->> TG_ARGV[1]);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER search_dataset AFTER INSERT OR UPDATE OR DELETE ON dataset FOR EACH ROW EXECUTE FUNCTION search_changed('id');
CREATE TRIGGER search_resource AFTER INSERT OR UPDATE OR DELETE ON resource FOR EACH ROW EXECUTE FUNCTION search_changed('dataset_id');
CREATE TRIGGER search_tag AFTER INSERT OR UPDATE OR DELETE ON thing_tag FOR EACH ROW EXECUTE FUNCTION search_changed('thing_id');
CREATE TRIGGER search_group AFTER INSERT OR UPDATE OR DELETE ON dataset_group FOR EACH ROW EXECUTE FUNCTION search_changed('dataset_id');
CREATE TRIGGER search_relationship AFTER INSERT OR UPDATE OR DELETE ON relationship
    FOR EACH ROW EXECUTE FUNCTION search_changed('subject_id', 'object_id');

-- A resource that has a table says so.
CREATE FUNCTION search_table_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM search_note(dataset_id) FROM resource WHERE id = CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END;
    RETURN NULL;
END
$$;
CREATE TRIGGER search_table AFTER INSERT OR DELETE ON lake_table FOR EACH ROW EXECUTE FUNCTION search_table_changed();

CREATE FUNCTION search_vocabulary_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM search_note(thing_id) FROM thing_tag WHERE vocabulary_id = OLD.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER search_vocabulary AFTER UPDATE OR DELETE ON vocabulary FOR EACH ROW EXECUTE FUNCTION search_vocabulary_changed();

-- The groups that may read a dataset, or all datasets of an organization.
CREATE FUNCTION search_reader_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    thing TEXT := CASE WHEN TG_OP = 'DELETE' THEN OLD.thing_id ELSE NEW.thing_id END;
BEGIN
    PERFORM search_note(id) FROM dataset WHERE id = thing OR organization_id = thing;
    RETURN NULL;
END
$$;
CREATE TRIGGER search_reader AFTER INSERT OR UPDATE OR DELETE ON thing_group FOR EACH ROW EXECUTE FUNCTION search_reader_changed();

-- Datasets show their organization and their groups.
CREATE FUNCTION search_organization_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM search_note(id) FROM dataset WHERE organization_id = NEW.id;
    PERFORM search_note(dataset_id) FROM dataset_group WHERE group_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER search_organization AFTER UPDATE ON organization FOR EACH ROW EXECUTE FUNCTION search_organization_changed();
