-- Styles: named prompt snippets. AUTOINCREMENT: see the first migration.

CREATE TABLE styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    prompt TEXT NOT NULL,
    negative_prompt TEXT NOT NULL,
    deleted_at INTEGER
) STRICT;

-- A deleted style keeps its name, which a new one may take.
CREATE UNIQUE INDEX styles_name ON styles (name) WHERE deleted_at IS NULL;
