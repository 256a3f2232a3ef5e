DROP INDEX tasks_order;
DROP INDEX tasks_status;
ALTER TABLE frames DROP COLUMN emptied;
DROP TABLE idempotency_keys;
DROP TABLE settings;
