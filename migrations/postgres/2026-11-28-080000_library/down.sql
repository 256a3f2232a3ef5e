DROP TABLE library_files;
