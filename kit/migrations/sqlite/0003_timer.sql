-- The next moment of each timer (`timer.rs`).
CREATE TABLE timer (
    owner TEXT PRIMARY KEY,
    due_at TEXT NOT NULL
);
CREATE INDEX timer_due ON timer (due_at);
