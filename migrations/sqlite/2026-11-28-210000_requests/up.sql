-- Nothing: one process uses the file. ../../postgres has the table by which servers ask each other. The same migrations are in both
-- folders.
SELECT 1;
