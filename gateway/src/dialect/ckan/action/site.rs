//! Tasks, translations, options, the site itself.

use super::{Action, Who, read, write};

const TASK: &[&str] = &[
    "entity_id: what the task is about",
    "entity_type: what kind of thing that is",
    "task_type: what kind of task it is",
    "key: which of its states this is",
    "value: its value (optional)",
    "state: its state (optional)",
    "error: what went wrong (optional)",
    "last_updated: an ISO date (optional)",
];
const TERM: &[&str] = &["term: the term", "term_translation: what it is in the other language", "lang_code: the code of that language"];

pub(super) const ACTIONS: &[Action] = &[
    read("status_show", Who::Anyone, "Return what the site is: its title, version and extensions.", &[], "a dictionary"),
    read("help_show", Who::Anyone, "Return the help text of an action.", &["name: the name of the action"], "a text").here(),
    read("license_list", Who::Anyone, "Return the licenses that datasets of the site may have.", &[], "a list of dictionaries"),
    read("site_read", Who::Anyone, "Return whether the site may be read.", &[], "true"),
    read(
        "task_status_show",
        Who::Anyone,
        "Return the state of a task.",
        &["id: its id (optional)", "entity_id: or what it is about", "task_type: with the kind of task", "key: and the key"],
        "a dictionary",
    ),
    write("task_status_update", Who::Sysadmin, "Create or update the state of a task.", TASK, "the state, a dictionary"),
    write(
        "task_status_update_many",
        Who::Sysadmin,
        "Create or update the states of many tasks.",
        &["data: a list of dictionaries, see task_status_update"],
        "a dictionary with results",
    ),
    write("task_status_delete", Who::Sysadmin, "Delete the state of a task.", &["id: its id"], "null"),
    read(
        "term_translation_show",
        Who::Anyone,
        "Return the translations of terms.",
        &["terms: the term, or a list of them", "lang_codes: only these languages (optional)"],
        "a list of dictionaries",
    ),
    write("term_translation_update", Who::Sysadmin, "Create or update a translation.", TERM, "the translation, a dictionary"),
    write(
        "term_translation_update_many",
        Who::Sysadmin,
        "Create or update many translations.",
        &["data: a list of dictionaries, see term_translation_update"],
        "a dictionary with success",
    ),
    read("config_option_list", Who::Sysadmin, "Return the options that can be changed while the site runs.", &[], "a list of names"),
    read("config_option_show", Who::Sysadmin, "Return the value of an option.", &["key: its name"], "its value"),
    write(
        "config_option_update",
        Who::Sysadmin,
        "Change options of the site, see config_option_list.",
        &["any option: its new value"],
        "the changed options, a dictionary",
    ),
];
