DROP TRIGGER tasks_model ON tasks;
DROP FUNCTION model_of_task();
ALTER TABLE tasks DROP COLUMN model;
ALTER TABLE servers DROP COLUMN draining;
ALTER TABLE servers DROP COLUMN revision;
ALTER TABLE servers DROP COLUMN about;
