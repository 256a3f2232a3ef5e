ALTER TABLE frames DROP CONSTRAINT frames_selected_take_is_own;
DROP TABLE takes;
DROP TABLE tasks;
DROP TABLE frames;
DROP TABLE projects;
