//! The loader, under the names of CKAN's two (ckan.md 3.10, 6.9).

use super::{Action, Who, read, write};

const RESOURCE: &str = "resource_id: the id of the resource";
const SUBMIT: &[&str] = &[
    RESOURCE,
    "ignore_hash: load it even if it is the file that was loaded before (optional, false)",
    "types: types of columns by their names, as text, numeric, timestamp; they stay for later loads (optional)",
];
const HOOK: &[&str] = &["metadata: a dictionary with resource_id", "status: what became of it", "error: what went wrong (optional)"];
const STATUS: &str = "Return the state of a resource's load, with what it has to say.";
const SUBMITTED: &str = "Have a resource loaded into its table.";
const HOOKED: &str = "Tell what became of a load that was made elsewhere.";

pub(super) const ACTIONS: &[Action] = &[
    write("xloader_submit", Who::Editor, SUBMITTED, SUBMIT, "whether it will be loaded"),
    read("xloader_status", Who::Editor, STATUS, &[RESOURCE], "a dictionary"),
    write("xloader_hook", Who::Sysadmin, HOOKED, HOOK, "null"),
    write("datapusher_submit", Who::Editor, SUBMITTED, SUBMIT, "whether it will be loaded"),
    write("datapusher_status", Who::Editor, STATUS, &[RESOURCE], "a dictionary"),
    write("datapusher_hook", Who::Sysadmin, HOOKED, HOOK, "null"),
];
