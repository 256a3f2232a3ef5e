DROP INDEX tasks_turns;
CREATE INDEX tasks_turns ON tasks (project_id, queue_order, id) WHERE status = 'queued';
DROP INDEX tasks_queue;
CREATE INDEX tasks_queue ON tasks (queue_order, id) WHERE status = 'queued';
ALTER TABLE tasks DROP COLUMN overnight;
