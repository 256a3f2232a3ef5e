-- What a rescan of the library need not compute again, and the user's marks. A row stays when its file is gone: the file may
-- be on a drive that is not connected, and the marks cannot be computed again.
CREATE TABLE library_files (
    -- From the folder and the path inside it.
    id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    folder TEXT NOT NULL,
    file TEXT NOT NULL,
    -- The size and the time of the last change of what was read.
    bytes BIGINT NOT NULL CHECK (bytes >= 0),
    modified_ms BIGINT NOT NULL,
    -- JSON, in a form that the library chooses.
    facts TEXT,
    -- The whole file, and what follows the header of a safetensors file.
    sha256 TEXT CHECK (length(sha256) = 64),
    tensors_sha256 TEXT CHECK (length(tensors_sha256) = 64),
    favourite BOOLEAN NOT NULL DEFAULT FALSE,
    distillation TEXT CHECK (length(distillation) BETWEEN 1 AND 120),
    title TEXT CHECK (length(title) BETWEEN 1 AND 120)
);
