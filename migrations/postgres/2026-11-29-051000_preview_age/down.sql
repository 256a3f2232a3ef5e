DELETE FROM schema_floors WHERE migration = '20261129051000';
ALTER TABLE live_previews DROP COLUMN stored_at;
