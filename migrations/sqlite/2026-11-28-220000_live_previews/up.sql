-- Nothing: one process uses the file, and its previews are files. ../../postgres has the table by which several servers share
-- them. The same migrations are in both folders.
SELECT 1;
