-- Whether it waits until no other task does, and steps aside for those.
ALTER TABLE tasks ADD COLUMN overnight BOOLEAN NOT NULL DEFAULT FALSE;
DROP INDEX tasks_queue;
CREATE INDEX tasks_queue ON tasks (overnight, queue_order, id) WHERE status = 'queued';
DROP INDEX tasks_turns;
CREATE INDEX tasks_turns ON tasks (project_id, overnight, queue_order, id) WHERE status = 'queued';
