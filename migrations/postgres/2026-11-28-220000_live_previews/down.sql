DROP TRIGGER takes_end_preview ON takes;
DROP FUNCTION end_preview();
DROP TABLE live_previews;
