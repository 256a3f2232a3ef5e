-- Which programs may use a database that has migrations which they do not know: those that know the migration `floor`. A
-- migration that only adds what older programs need not know has a row here, which it inserts itself.
CREATE TABLE schema_floors (
    migration TEXT PRIMARY KEY NOT NULL,
    floor TEXT NOT NULL
);
