-- What users want of runs that another server than the asked one makes: to pause a run, to take that back, to change it.
CREATE TABLE run_requests (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id BIGINT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    -- JSON.
    body TEXT NOT NULL,
    -- Whether the run's server has done it. The asking server then removes the row.
    done BOOLEAN NOT NULL DEFAULT FALSE,
    asked_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX run_requests_task ON run_requests (task_id);

-- The end of a run is also that of what was wanted of it and is not done.
CREATE OR REPLACE FUNCTION end_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM runs WHERE task_id = NEW.id;
    DELETE FROM run_requests WHERE task_id = NEW.id AND NOT done;
    RETURN NULL;
END $$;
