DELETE FROM schema_floors WHERE migration = '20261129040000';
ALTER TABLE tasks DROP COLUMN pause_at;
