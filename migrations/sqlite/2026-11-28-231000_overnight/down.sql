DROP INDEX tasks_queue;
CREATE INDEX tasks_queue ON tasks (queue_order, id) WHERE status = 'queued';
ALTER TABLE tasks DROP COLUMN overnight;
