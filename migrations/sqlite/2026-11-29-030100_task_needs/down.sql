DELETE FROM schema_floors WHERE migration = '20261129030100';
