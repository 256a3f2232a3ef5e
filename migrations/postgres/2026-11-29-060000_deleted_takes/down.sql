DELETE FROM takes WHERE deleted_at IS NOT NULL;
DROP INDEX takes_deleted;
ALTER TABLE takes DROP COLUMN deleted_at;
