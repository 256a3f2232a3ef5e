-- Nothing: one process uses the file and keeps its sessions in memory. ../../postgres has them for several. The same migrations
-- are in both folders.
SELECT 1;
