-- Nothing: one process uses the file. ../../postgres has what other servers read of a run. The same migrations are in both folders.
SELECT 1;
