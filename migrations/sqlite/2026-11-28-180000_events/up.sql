-- Nothing: one process uses the file, and hands each change to its clients itself. ../../postgres has the tables by which
-- several servers share one order of events. The same migrations are in both folders.
SELECT 1;
