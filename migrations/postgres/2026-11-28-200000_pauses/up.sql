-- A paused task has the status 'queued' here, as on SQLite, which cannot change the CHECK of the status.
ALTER TABLE tasks ADD COLUMN paused BOOLEAN NOT NULL DEFAULT FALSE CHECK (NOT paused OR status = 'queued');
-- Steps that are done and saved, from which the next start goes on.
ALTER TABLE tasks ADD COLUMN done_steps INTEGER NOT NULL DEFAULT 0 CHECK (done_steps >= 0);
-- Whether the next start makes the current estimate the finished picture: a paused task was kept.
ALTER TABLE tasks ADD COLUMN keeps BOOLEAN NOT NULL DEFAULT FALSE;
