-- Whether it waits until no other task does, and steps aside for those.
ALTER TABLE tasks ADD COLUMN overnight INTEGER NOT NULL DEFAULT 0 CHECK (overnight IN (0, 1));
DROP INDEX tasks_queue;
CREATE INDEX tasks_queue ON tasks (overnight, queue_order, id) WHERE status = 'queued';
