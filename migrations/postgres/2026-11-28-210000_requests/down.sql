CREATE OR REPLACE FUNCTION end_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM runs WHERE task_id = NEW.id;
    RETURN NULL;
END $$;
DROP TABLE run_requests;
