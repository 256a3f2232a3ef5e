-- The models of the tasks that a worker with nothing to do could start; NULL while it has something to do, and for servers, which
-- hear of every change. Each change of the queue notifies a few of those that wait.
ALTER TABLE servers ADD COLUMN waits TEXT[];

-- Programs of the version before need not know it.
INSERT INTO schema_floors (migration, floor) VALUES ('20261129050000', '20261129020300');
