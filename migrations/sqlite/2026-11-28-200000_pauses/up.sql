-- A paused task has the status 'queued' here: SQLite cannot change the CHECK of the status without making the table again,
-- and dropping the old one would delete the takes that refer to it.
ALTER TABLE tasks ADD COLUMN paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1) AND (paused = 0 OR status = 'queued'));
-- Steps that are done and saved, from which the next start goes on.
ALTER TABLE tasks ADD COLUMN done_steps INTEGER NOT NULL DEFAULT 0 CHECK (done_steps >= 0);
-- Whether the next start makes the current estimate the finished picture: a paused task was kept.
ALTER TABLE tasks ADD COLUMN keeps INTEGER NOT NULL DEFAULT 0 CHECK (keeps IN (0, 1));
