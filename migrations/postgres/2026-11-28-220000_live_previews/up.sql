-- The newest preview of each picture that is being made, for every server on this database. The statement that reports a step
-- stores it, and only while the run is its server's.
--
-- Not in the write-ahead log: it would be most of it. After a crash of the database, and on a standby, the table is empty, and
-- the first preview is shown until the next step.
CREATE UNLOGGED TABLE live_previews (
    take_id BIGINT PRIMARY KEY REFERENCES takes (id) ON DELETE CASCADE,
    -- (attempt, step) only grows.
    attempt INTEGER NOT NULL CHECK (attempt >= 1),
    step INTEGER NOT NULL CHECK (step >= 0),
    etag TEXT NOT NULL,
    png BYTEA NOT NULL
) WITH (fillfactor = 50);

-- A PNG is compressed already.
ALTER TABLE live_previews ALTER COLUMN png SET STORAGE EXTERNAL;

-- A finished picture is a file. A take without one is deleted, and its preview with it.
CREATE FUNCTION end_preview() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM live_previews WHERE take_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER takes_end_preview AFTER UPDATE OF etag ON takes
    FOR EACH ROW WHEN (OLD.etag IS NULL AND NEW.etag IS NOT NULL) EXECUTE FUNCTION end_preview();
