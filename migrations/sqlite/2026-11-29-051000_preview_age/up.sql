-- Nothing else: previews are files. ../../postgres has those of several servers. The same migrations are in both folders.
INSERT INTO schema_floors (migration, floor) VALUES ('20261129051000', '20261129020300');
