DROP TABLE schema_floors;
