-- Styles: named prompt snippets. The same as in ../../sqlite.

CREATE TABLE styles (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    prompt TEXT NOT NULL,
    negative_prompt TEXT NOT NULL,
    deleted_at BIGINT
);

-- A deleted style keeps its name, which a new one may take.
CREATE UNIQUE INDEX styles_name ON styles (name) WHERE deleted_at IS NULL;
