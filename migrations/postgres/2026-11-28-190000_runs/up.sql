-- Runs: a running task belongs to one server for as long as that server renews its lease. All times are this database's
-- clock; no other clock is compared with them.

-- The servers that use this database. A server that is gone leaves its row until another one removes it.
CREATE TABLE servers (
    -- Random, new at each start: a server that is started again must not keep the runs of its dead predecessor alive.
    id TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    lease_until TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

-- One row for each running task. The key makes a second claim of a running task impossible, whatever a server does. There is
-- no other index, so that a renewal stays on its page.
CREATE TABLE runs (
    task_id BIGINT PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL CHECK (attempt >= 1),
    server_id TEXT NOT NULL,
    lease_until TIMESTAMPTZ NOT NULL,
    -- Sampling steps that are done.
    step INTEGER NOT NULL DEFAULT 0 CHECK (step >= 0),
    -- Whether a user wants the current estimate as the final picture.
    keep BOOLEAN NOT NULL DEFAULT FALSE
) WITH (fillfactor = 50);

-- A run ends with its task's status, whichever change that is: completed, failed, cancelled or queued again.
CREATE FUNCTION end_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM runs WHERE task_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER tasks_end_run AFTER UPDATE OF status ON tasks
    FOR EACH ROW WHEN (OLD.status = 'running' AND NEW.status <> 'running') EXECUTE FUNCTION end_run();

-- The first waiting tasks of each project: projects take turns.
CREATE INDEX tasks_turns ON tasks (project_id, queue_order, id) WHERE status = 'queued';
