-- When a pipeline runs by itself, on whose behalf. The next moment is its timer.
CREATE TABLE schedule (
    pipeline_id TEXT PRIMARY KEY REFERENCES thing (id),
    cron TEXT NOT NULL,
    run_as TEXT NOT NULL
);

-- What became of the moments that a schedule named: fired, skipped, missed or refused.
CREATE TABLE slot (
    pipeline_id TEXT NOT NULL REFERENCES thing (id),
    at TIMESTAMPTZ NOT NULL,
    outcome TEXT NOT NULL,
    run_id TEXT,
    comment TEXT,
    PRIMARY KEY (pipeline_id, at)
);

-- Pipelines that messages of a topic start. revision: the version to run, absent = the newest.
CREATE TABLE registration (
    pipeline_id TEXT PRIMARY KEY REFERENCES thing (id),
    topic TEXT NOT NULL,
    revision BIGINT
);
CREATE INDEX registration_topic ON registration (topic, pipeline_id);
