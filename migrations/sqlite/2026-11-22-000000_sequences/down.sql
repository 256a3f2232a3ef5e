-- The deferred reference from frames to takes is checked when the transaction ends, with both gone.
DROP TABLE takes;
DROP TABLE tasks;
DROP TABLE frames;
DROP TABLE projects;
