-- No columns: one process uses the file and makes all pictures. ../../postgres has what tasks need of the process that makes them. The
-- same migrations are in both folders.
INSERT INTO schema_floors (migration, floor) VALUES ('20261129030100', '20261129020300');
