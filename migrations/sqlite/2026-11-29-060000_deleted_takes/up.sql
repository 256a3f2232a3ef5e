-- When a user deleted the take: epoch milliseconds. NULL while it is live. Its picture is kept until it is purged.
ALTER TABLE takes ADD COLUMN deleted_at INTEGER;
CREATE INDEX takes_deleted ON takes (project_id, deleted_at) WHERE deleted_at IS NOT NULL;
