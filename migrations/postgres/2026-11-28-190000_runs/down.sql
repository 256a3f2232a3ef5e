DROP INDEX tasks_turns;
DROP TRIGGER tasks_end_run ON tasks;
DROP FUNCTION end_run();
DROP TABLE runs;
DROP TABLE servers;
