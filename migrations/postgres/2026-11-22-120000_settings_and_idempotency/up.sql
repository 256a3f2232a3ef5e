-- Settings of the whole server, the keys under which requests were answered, and what frames and the queue
-- need to be read by the rules.
-- The same as in ../../sqlite.

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
    -- In a form that the setting's owner chooses.
    value TEXT NOT NULL
);

-- A request that is sent again with the same key is answered as it was the first time.
CREATE TABLE idempotency_keys (
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    -- A hash of the request: the same key for another request is a mistake.
    fingerprint TEXT NOT NULL,
    -- JSON: the accepted tasks, each with its frame, its take and the picture's path.
    tasks TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, key)
);

CREATE INDEX idempotency_keys_oldest ON idempotency_keys (created_at);

-- Set when a frame was deleted because it had nothing left to show. One that a person deleted does not come
-- back when its task is tried again; this one does. No rule over the other columns tells the two apart: a
-- person may delete a frame before its first picture is finished.
ALTER TABLE frames ADD COLUMN emptied BOOLEAN NOT NULL DEFAULT FALSE;

-- The newest tasks of one status, and the end of the queue.
CREATE INDEX tasks_status ON tasks (status, id);
CREATE INDEX tasks_order ON tasks (queue_order);
