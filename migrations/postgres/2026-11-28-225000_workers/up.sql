-- What a process says of itself: its name, its device, its models. JSON, which is read by programs only.
ALTER TABLE servers ADD COLUMN about TEXT;
-- Counts the changes of `about`.
ALTER TABLE servers ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
-- Whether it starts no more tasks.
ALTER TABLE servers ADD COLUMN draining BOOLEAN NOT NULL DEFAULT FALSE;

-- The model of a task, for claims by processes that do not have all models. NULL if it cannot be read: any process may claim
-- the task, and reports it.
ALTER TABLE tasks ADD COLUMN model TEXT;

CREATE FUNCTION model_of_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.model := NEW.parameters::jsonb ->> 'model';
    RETURN NEW;
EXCEPTION WHEN data_exception THEN
    NEW.model := NULL;
    RETURN NEW;
END $$;

CREATE TRIGGER tasks_model BEFORE INSERT OR UPDATE OF parameters ON tasks
    FOR EACH ROW EXECUTE FUNCTION model_of_task();

UPDATE tasks SET parameters = parameters WHERE status = 'queued';
