-- Most sheets have neither: they need no place in these indexes.
DROP INDEX answer_sheet_uid;
DROP INDEX answer_sheet_panel;
CREATE INDEX answer_sheet_uid ON answer_sheet (space_id, uid) WHERE uid IS NOT NULL;
CREATE INDEX answer_sheet_panel ON answer_sheet (panel_id) WHERE panel_id IS NOT NULL;
