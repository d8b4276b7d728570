-- Datasets as they are found: by the words of their last revision that succeeded.
ALTER TABLE dataset ADD COLUMN listed TEXT;
ALTER TABLE dataset ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE dataset ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE dataset ADD COLUMN description TEXT NOT NULL DEFAULT '';
-- What is searched, in small letters.
ALTER TABLE dataset ADD COLUMN words TEXT NOT NULL DEFAULT '';

-- Who may find a revision, and what it made if it succeeded.
ALTER TABLE revision ADD COLUMN findability TEXT NOT NULL DEFAULT 'private';
ALTER TABLE revision ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE revision ADD COLUMN row_count INTEGER NOT NULL DEFAULT 0;
CREATE INDEX revision_finished ON revision (finished_at) WHERE finished_at IS NOT NULL;
