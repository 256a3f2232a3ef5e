-- Nothing: one process uses the file. ../../postgres has what the processes of a database say of themselves. The same
-- migrations are in both folders.
SELECT 1;
