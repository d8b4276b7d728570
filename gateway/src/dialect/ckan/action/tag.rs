//! Tags and vocabularies.

use super::{Action, Who, read, write};

const VOCABULARY: &str = "vocabulary_id: the id or name of a vocabulary (optional, free tags)";
const SEARCH: &[&str] = &[
    "query: the text, or a list of texts that all occur",
    VOCABULARY,
    "limit: how many at most (optional)",
    "offset: how many to leave out from the start (optional)",
];

pub(super) const ACTIONS: &[Action] = &[
    read(
        "tag_list",
        Who::Anyone,
        "Return a list of the site's tags.",
        &["query: a text in the name (optional)", VOCABULARY, "all_fields: dictionaries in place of names (optional, false)"],
        "a list of names, or of dictionaries",
    ),
    read(
        "tag_show",
        Who::Anyone,
        "Return the details of a tag.",
        &["id: the name or id of the tag", VOCABULARY, "include_datasets: up to 1,000 datasets that have it (optional, false)"],
        "a dictionary",
    ),
    read("tag_search", Who::Anyone, "Return the tags whose names contain a text.", SEARCH, "a dictionary with count and results"),
    read("tag_autocomplete", Who::Anyone, "Return the names of tags that contain a text.", SEARCH, "a list of names"),
    write(
        "tag_create",
        Who::Sysadmin,
        "Create a tag of a vocabulary; free tags are created by tagging a dataset.",
        &["name: the name of the tag", "vocabulary_id: the id of the vocabulary"],
        "the new tag, a dictionary",
    ),
    write("tag_delete", Who::Sysadmin, "Delete a tag.", &["id: the id or name of the tag", VOCABULARY], "null"),
    read(
        "vocabulary_list",
        Who::Anyone,
        "Return a list of all the site's tag vocabularies, each with its tags.",
        &[],
        "a list of dictionaries",
    ),
    read("vocabulary_show", Who::Anyone, "Return a single tag vocabulary.", &["id: the id or name of the vocabulary"], "a dictionary"),
    write(
        "vocabulary_create",
        Who::Sysadmin,
        "Create a new tag vocabulary.",
        &["name: its name", "tags: a list of dictionaries with name (optional)"],
        "the new vocabulary, a dictionary",
    ),
    write(
        "vocabulary_update",
        Who::Sysadmin,
        "Update a tag vocabulary.",
        &["id: its id", "name: its new name (optional)", "tags: the whole list of its tags (optional)"],
        "the updated vocabulary, a dictionary",
    ),
    write("vocabulary_delete", Who::Sysadmin, "Delete a tag vocabulary with its tags.", &["id: its id"], "null"),
];
