DROP INDEX takes_object;
ALTER TABLE takes DROP COLUMN object;
