//! What only CKAN's face stores, and its view of the shared tables: one file per thing, nothing but SQL.

pub(crate) mod activity;
pub(crate) mod collaborator;
pub(crate) mod follow;
pub(crate) mod group;
pub(crate) mod member;
pub(crate) mod package;
pub(crate) mod relationship;
pub(crate) mod resource;
pub(crate) mod site;
pub(crate) mod tag;
pub(crate) mod user;
pub(crate) mod view;

use madang_kit::db::Source;

/// `$1`, a JSON list of texts, as rows of one column.
pub(crate) fn listed(source: &Source) -> &'static str {
    source.pick("SELECT value FROM json_each($1)", "SELECT jsonb_array_elements_text($1)")
}

/// `$1`, a JSON list of objects, as rows `e` whose members `e.value ->> 'name'` reads.
pub(crate) fn elements(source: &Source) -> &'static str {
    source.pick("json_each($1) AS e", "jsonb_array_elements($1) AS e(value)")
}

/// Names in the order of their bytes, as SQLite has them anyway.
pub(crate) fn by_bytes(source: &Source) -> &'static str {
    source.pick("", "COLLATE \"C\"")
}
