-- Drafts by whom they are of, so that an erasure reaches them; those kept before say nobody, and go. uid, panel_id: of the link, if it says
-- one. answers: sealed.
DROP TABLE draft;
CREATE TABLE draft (
    sheet_id TEXT PRIMARY KEY,
    survey_id TEXT NOT NULL,
    space_id TEXT NOT NULL,
    uid TEXT,
    panel_id TEXT,
    answers TEXT NOT NULL,
    expires_at TEXT NOT NULL
);
CREATE INDEX draft_expiry ON draft (expires_at);
CREATE INDEX draft_survey ON draft (survey_id);
CREATE INDEX draft_uid ON draft (space_id, uid);
CREATE INDEX draft_panel ON draft (panel_id);

-- What waits is taken space by space.
DROP INDEX delivery_due;
CREATE INDEX delivery_due ON delivery (space_id, state, next_at);
