-- Nothing: one process uses the file, and knows its running tasks itself. ../../postgres has the tables by which several
-- servers share the queue. The same migrations are in both folders.
SELECT 1;
