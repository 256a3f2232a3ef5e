-- Nothing else: one process uses the file. ../../postgres has who waits for tasks. The same migrations are in both folders.
INSERT INTO schema_floors (migration, floor) VALUES ('20261129050000', '20261129020300');
