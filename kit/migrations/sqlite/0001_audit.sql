-- Append-only; `sealed_as` and `hash` are filled in by the sealer, in order, soon after the write.
CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL,
    thing TEXT NOT NULL,
    detail TEXT NOT NULL,
    sealed_as INTEGER UNIQUE,
    hash TEXT
);
CREATE INDEX audit_unsealed ON audit (id) WHERE sealed_as IS NULL;
