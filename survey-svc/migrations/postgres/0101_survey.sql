-- Surveys. definition: JSON (kit/src/survey/definition.rs). responses: over all groups.
CREATE TABLE survey (
    id TEXT PRIMARY KEY,
    space_id TEXT NOT NULL,
    title TEXT NOT NULL,
    definition TEXT NOT NULL,
    responses BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX survey_space ON survey (space_id, id);

-- status: READY, RUNNING, PAUSED or COMPLETED. started: whether it ever was RUNNING, which freezes its survey.
CREATE TABLE collect_group (
    id TEXT PRIMARY KEY,
    survey_id TEXT NOT NULL REFERENCES survey (id),
    space_id TEXT NOT NULL,
    serial TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    channel TEXT NOT NULL,
    status TEXT NOT NULL,
    started BOOLEAN NOT NULL,
    target BIGINT,
    responses BIGINT NOT NULL,
    is_using_hmac BOOLEAN NOT NULL,
    started_at TIMESTAMPTZ,
    completed_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX collect_group_survey ON collect_group (survey_id, id);
CREATE INDEX collect_group_running ON collect_group (space_id, status);

-- Submitted sheets. parameters: JSON array of [key, value]. answers: JSON array, without personal information; masked: JSON array of
-- that, masked; personal: the originals, sealed under the subject's key. submitted_at has whole seconds.
CREATE TABLE answer_sheet (
    id TEXT PRIMARY KEY,
    survey_id TEXT NOT NULL REFERENCES survey (id),
    space_id TEXT NOT NULL,
    collect_group_id TEXT NOT NULL REFERENCES collect_group (id),
    panel_id TEXT,
    uid TEXT,
    parameters TEXT NOT NULL,
    answers TEXT NOT NULL,
    masked TEXT,
    personal TEXT,
    started_at TIMESTAMPTZ NOT NULL,
    submitted_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX answer_sheet_survey ON answer_sheet (survey_id, submitted_at, id);
CREATE INDEX answer_sheet_uid ON answer_sheet (space_id, uid);
CREATE INDEX answer_sheet_panel ON answer_sheet (panel_id);
CREATE INDEX answer_sheet_personal ON answer_sheet (survey_id) WHERE masked IS NOT NULL;

-- Answers kept for a reload, sealed.
CREATE TABLE draft (
    sheet_id TEXT PRIMARY KEY,
    survey_id TEXT NOT NULL,
    answers TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX draft_expiry ON draft (expires_at);

-- The key of one person's values, sealed under a master key: a panel's, or an answer sheet's. Without it they are noise.
CREATE TABLE subject (
    id TEXT PRIMARY KEY,
    space_id TEXT NOT NULL,
    wrapped TEXT NOT NULL
);
CREATE INDEX subject_wrapped ON subject (wrapped);

-- name, cellphone, email: sealed under the subject's key.
CREATE TABLE panel (
    id TEXT PRIMARY KEY,
    space_id TEXT NOT NULL,
    uid TEXT,
    name TEXT,
    country_code BIGINT,
    cellphone TEXT,
    email TEXT,
    is_sms_opt_out BOOLEAN NOT NULL,
    is_email_opt_out BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (space_id, uid)
);
CREATE INDEX panel_space ON panel (space_id, id);

CREATE TABLE profile_variable (
    id TEXT PRIMARY KEY,
    space_id TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (space_id, name)
);

CREATE TABLE profile_option (
    id TEXT PRIMARY KEY,
    space_id TEXT NOT NULL,
    variable_id TEXT NOT NULL REFERENCES profile_variable (id),
    name TEXT NOT NULL,
    UNIQUE (variable_id, name)
);

CREATE TABLE panel_profile (
    panel_id TEXT NOT NULL REFERENCES panel (id),
    variable_id TEXT NOT NULL REFERENCES profile_variable (id),
    option_id TEXT NOT NULL REFERENCES profile_option (id),
    PRIMARY KEY (panel_id, variable_id)
);
CREATE INDEX panel_profile_option ON panel_profile (option_id);

-- Who worked with personal data, append-only. panel_ids, detail: JSON. It holds no value of a panel.
CREATE TABLE personal_access (
    id TEXT PRIMARY KEY,
    at TIMESTAMPTZ NOT NULL,
    space_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    operator_email TEXT NOT NULL,
    remark TEXT NOT NULL,
    action TEXT NOT NULL,
    panel_ids TEXT NOT NULL,
    detail TEXT NOT NULL,
    source TEXT NOT NULL
);
CREATE INDEX personal_access_space ON personal_access (space_id, id);

-- How long personal-info answers are kept, if not for the default.
CREATE TABLE retention (
    space_id TEXT PRIMARY KEY,
    personal_info_days BIGINT NOT NULL
);

-- Certificates: JSON of what was erased where.
CREATE TABLE erasure (
    id TEXT PRIMARY KEY,
    space_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    erased_at TIMESTAMPTZ NOT NULL,
    places TEXT NOT NULL
);

-- Where a space's events go. secret: sealed.
CREATE TABLE webhook (
    space_id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    secret TEXT NOT NULL
);

-- Events on their way out. state: waiting, delivered or failed; next_at: when it is tried next, if waiting.
CREATE TABLE delivery (
    id TEXT PRIMARY KEY,
    space_id TEXT NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    status BIGINT,
    created_at TIMESTAMPTZ NOT NULL,
    next_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX delivery_space ON delivery (space_id, id);
CREATE INDEX delivery_due ON delivery (state, next_at);
