/** Columns of a panel: `use` of the build target in asconfig.json. */
declare const PANEL_COLUMNS: i32;
