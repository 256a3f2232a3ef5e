-- Traces and saved states that are objects of an object store, by the key of their take. Where these are files there are no rows.
-- A row may be there before its take: the first steps of a branch are stored before its rows.
CREATE TABLE trace_objects (
    key TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('trace', 'state')),
    -- Relative to the prefix of the object store. The name has the attempt and the hash of the bytes.
    object TEXT NOT NULL,
    bytes BIGINT NOT NULL CHECK (bytes >= 0),
    -- Steps that are done.
    step INTEGER NOT NULL CHECK (step >= 0),
    -- Epoch milliseconds: the oldest are removed first.
    created_at BIGINT NOT NULL,
    PRIMARY KEY (key, kind)
);
CREATE INDEX trace_objects_object ON trace_objects (object);

-- A program that does not know the table neither reads nor writes traces as objects.
INSERT INTO schema_floors (migration, floor) VALUES ('20261129030000', '20261129020300');
