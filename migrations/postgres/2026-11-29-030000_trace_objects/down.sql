DELETE FROM schema_floors WHERE migration = '20261129030000';
DROP TABLE trace_objects;
