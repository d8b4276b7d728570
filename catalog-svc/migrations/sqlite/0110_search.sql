-- The log that search indexes follow: for each dataset the number of its newest change, whoever made it. Triggers write it, so that no
-- way of changing a dataset, its resources, tags, groups, relationships, or what it belongs to can be forgotten.
CREATE TABLE search_change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    dataset_id TEXT NOT NULL UNIQUE
);
INSERT INTO search_change (dataset_id) SELECT id FROM dataset ORDER BY id;

CREATE TRIGGER search_dataset_added AFTER INSERT ON dataset BEGIN
    DELETE FROM search_change WHERE dataset_id = NEW.id;
    INSERT INTO search_change (dataset_id) VALUES (NEW.id);
END;
CREATE TRIGGER search_dataset_changed AFTER UPDATE ON dataset BEGIN
    DELETE FROM search_change WHERE dataset_id = NEW.id;
    INSERT INTO search_change (dataset_id) VALUES (NEW.id);
END;
CREATE TRIGGER search_dataset_removed AFTER DELETE ON dataset BEGIN
    DELETE FROM search_change WHERE dataset_id = OLD.id;
    INSERT INTO search_change (dataset_id) VALUES (OLD.id);
END;

CREATE TRIGGER search_resource_added AFTER INSERT ON resource BEGIN
    DELETE FROM search_change WHERE dataset_id = NEW.dataset_id;
    INSERT INTO search_change (dataset_id) VALUES (NEW.dataset_id);
END;
CREATE TRIGGER search_resource_changed AFTER UPDATE ON resource BEGIN
    DELETE FROM search_change WHERE dataset_id = NEW.dataset_id;
    INSERT INTO search_change (dataset_id) VALUES (NEW.dataset_id);
END;
CREATE TRIGGER search_resource_removed AFTER DELETE ON resource BEGIN
    DELETE FROM search_change WHERE dataset_id = OLD.dataset_id;
    INSERT INTO search_change (dataset_id) VALUES (OLD.dataset_id);
END;

-- A resource that has a table says so.
CREATE TRIGGER search_table_added AFTER INSERT ON lake_table BEGIN
    DELETE FROM search_change WHERE dataset_id IN (SELECT dataset_id FROM resource WHERE id = NEW.id);
    INSERT INTO search_change (dataset_id) SELECT dataset_id FROM resource WHERE id = NEW.id;
END;
CREATE TRIGGER search_table_removed AFTER DELETE ON lake_table BEGIN
    DELETE FROM search_change WHERE dataset_id IN (SELECT dataset_id FROM resource WHERE id = OLD.id);
    INSERT INTO search_change (dataset_id) SELECT dataset_id FROM resource WHERE id = OLD.id;
END;

CREATE TRIGGER search_tag_added AFTER INSERT ON thing_tag BEGIN
    DELETE FROM search_change WHERE dataset_id = NEW.thing_id;
    INSERT INTO search_change (dataset_id) VALUES (NEW.thing_id);
END;
CREATE TRIGGER search_tag_changed AFTER UPDATE ON thing_tag BEGIN
    DELETE FROM search_change WHERE dataset_id = NEW.thing_id;
    INSERT INTO search_change (dataset_id) VALUES (NEW.thing_id);
END;
CREATE TRIGGER search_tag_removed AFTER DELETE ON thing_tag BEGIN
    DELETE FROM search_change WHERE dataset_id = OLD.thing_id;
    INSERT INTO search_change (dataset_id) VALUES (OLD.thing_id);
END;
CREATE TRIGGER search_vocabulary_changed AFTER UPDATE ON vocabulary BEGIN
    DELETE FROM search_change WHERE dataset_id IN (SELECT thing_id FROM thing_tag WHERE vocabulary_id = NEW.id);
    INSERT INTO search_change (dataset_id) SELECT DISTINCT thing_id FROM thing_tag WHERE vocabulary_id = NEW.id;
END;
CREATE TRIGGER search_vocabulary_removed AFTER DELETE ON vocabulary BEGIN
    DELETE FROM search_change WHERE dataset_id IN (SELECT thing_id FROM thing_tag WHERE vocabulary_id = OLD.id);
    INSERT INTO search_change (dataset_id) SELECT DISTINCT thing_id FROM thing_tag WHERE vocabulary_id = OLD.id;
END;

CREATE TRIGGER search_group_added AFTER INSERT ON dataset_group BEGIN
    DELETE FROM search_change WHERE dataset_id = NEW.dataset_id;
    INSERT INTO search_change (dataset_id) VALUES (NEW.dataset_id);
END;
CREATE TRIGGER search_group_removed AFTER DELETE ON dataset_group BEGIN
    DELETE FROM search_change WHERE dataset_id = OLD.dataset_id;
    INSERT INTO search_change (dataset_id) VALUES (OLD.dataset_id);
END;

-- The groups that may read a dataset, or all datasets of an organization.
CREATE TRIGGER search_reader_added AFTER INSERT ON thing_group BEGIN
    DELETE FROM search_change WHERE dataset_id IN (SELECT id FROM dataset WHERE id = NEW.thing_id OR organization_id = NEW.thing_id);
    INSERT INTO search_change (dataset_id) SELECT id FROM dataset WHERE id = NEW.thing_id OR organization_id = NEW.thing_id;
END;
CREATE TRIGGER search_reader_removed AFTER DELETE ON thing_group BEGIN
    DELETE FROM search_change WHERE dataset_id IN (SELECT id FROM dataset WHERE id = OLD.thing_id OR organization_id = OLD.thing_id);
    INSERT INTO search_change (dataset_id) SELECT id FROM dataset WHERE id = OLD.thing_id OR organization_id = OLD.thing_id;
END;

-- Datasets show their organization and their groups.
CREATE TRIGGER search_organization_changed AFTER UPDATE ON organization BEGIN
    DELETE FROM search_change WHERE dataset_id IN (SELECT id FROM dataset WHERE organization_id = NEW.id
        UNION SELECT dataset_id FROM dataset_group WHERE group_id = NEW.id);
    INSERT INTO search_change (dataset_id) SELECT id FROM dataset WHERE organization_id = NEW.id
        UNION SELECT dataset_id FROM dataset_group WHERE group_id = NEW.id;
END;

CREATE TRIGGER search_relationship_added AFTER INSERT ON relationship BEGIN
    DELETE FROM search_change WHERE dataset_id IN (NEW.subject_id, NEW.object_id);
    INSERT INTO search_change (dataset_id) SELECT NEW.subject_id UNION SELECT NEW.object_id;
END;
CREATE TRIGGER search_relationship_changed AFTER UPDATE ON relationship BEGIN
    DELETE FROM search_change WHERE dataset_id IN (NEW.subject_id, NEW.object_id);
    INSERT INTO search_change (dataset_id) SELECT NEW.subject_id UNION SELECT NEW.object_id;
END;
CREATE TRIGGER search_relationship_removed AFTER DELETE ON relationship BEGIN
    DELETE FROM search_change WHERE dataset_id IN (OLD.subject_id, OLD.object_id);
    INSERT INTO search_change (dataset_id) SELECT OLD.subject_id UNION SELECT OLD.object_id;
END;
