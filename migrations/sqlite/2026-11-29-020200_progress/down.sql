-- Nothing: see up.sql.
SELECT 1;
