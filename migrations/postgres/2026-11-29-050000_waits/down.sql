DELETE FROM schema_floors WHERE migration = '20261129050000';
ALTER TABLE servers DROP COLUMN waits;
