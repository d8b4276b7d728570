//! The DataStore: rows of resources.

use super::{Action, Who, read, write};

const RESOURCE: &str = "resource_id: the id or an alias of the resource";
const FORCE: &str = "force: also if its rows come from a file (optional, false)";

pub(super) const ACTIONS: &[Action] = &[
    write(
        "datastore_create",
        Who::Editor,
        "Add a table to a resource, or columns and rows to the table that it has.",
        &[
            "resource_id: the id of the resource",
            "resource: or a dictionary with which a new resource is made; package_id says where",
            "fields: the columns, a list of dictionaries with id, type and info (optional)",
            "records: rows, a list of dictionaries (optional)",
            "primary_key: columns of which no two rows may have the same values (optional)",
            "indexes: columns that are looked at often (optional)",
            "aliases: other names of the table (optional)",
            "delete_fields: take columns away that are not listed (optional, false)",
            "include_records: return the rows (optional, false)",
            "calculate_record_count: accepted, rows are always counted (optional)",
            FORCE,
        ],
        "the dictionary of the request, without the rows",
    ),
    write(
        "datastore_upsert",
        Who::Editor,
        "Insert or update rows of a table.",
        &[
            RESOURCE,
            "records: the rows, a list of dictionaries",
            "method: upsert, insert or update (optional, upsert)",
            "dry_run: look whether it could be done, and do nothing (optional, false)",
            "include_records: return the rows (optional, false)",
            FORCE,
        ],
        "the dictionary of the request, without the rows",
    ),
    write(
        "datastore_delete",
        Who::Editor,
        "Delete rows of a table, or the table.",
        &[RESOURCE, "filters: which rows; without it the whole table", "include_deleted_records: return the rows (optional, false)", FORCE],
        "the dictionary of the request",
    ),
    write(
        "datastore_records_delete",
        Who::Editor,
        "Delete rows of a table.",
        &[RESOURCE, "filters: which rows; {} for all", "include_deleted_records: return the rows (optional, false)", FORCE],
        "the dictionary of the request",
    ),
    read(
        "datastore_search",
        Who::Reader,
        "Search the rows of a table.",
        &[
            RESOURCE,
            "filters: values by column, or operators (eq, gt, gte, lt, lte, in, $or, $and) (optional)",
            "q: words in any column, or words by column (optional)",
            "full_text: words in any column, beside words by column (optional)",
            "plain: q is plain words, not a tsquery (optional, true)",
            "language: the language of the words (optional, english)",
            "distinct: no two alike (optional, false)",
            "limit: how many rows at most (optional, 100)",
            "offset: how many to leave out from the start (optional, 0)",
            "fields: the columns (optional, all)",
            "sort: the order, as in \"a, b desc\" (optional)",
            "include_total: count all rows that match (optional, true)",
            "total_estimation_threshold: accepted, rows are always counted (optional)",
            "records_format: objects, lists, csv or tsv (optional, objects)",
            "include_next_page: tell where the next page begins (optional, false)",
        ],
        "a dictionary with fields, records, total",
    ),
    read(
        "datastore_search_sql",
        Who::Reader,
        "Run one SELECT over tables, each named by the id of its resource, if the site has that switched on.",
        &["sql: the statement"],
        "a dictionary with fields and records",
    ),
    read(
        "datastore_info",
        Who::Reader,
        "Return what a table is: its columns and how large it is.",
        &[
            RESOURCE,
            "id: the same under another name",
            "include_meta: with its size (optional, true)",
            "include_fields_schema: with what is known of its columns (optional, true)",
        ],
        "a dictionary with meta and fields",
    ),
    write(
        "datastore_run_triggers",
        Who::Sysadmin,
        "Functions of a database are not run here; always refused.",
        &["resource_id: the id of a resource"],
        "nothing",
    ),
    write(
        "datastore_function_create",
        Who::Sysadmin,
        "Functions of a database are not kept here; always refused.",
        &["name: the name of the function", "definition: its text", "rettype: what it returns (optional)"],
        "nothing",
    ),
    write(
        "datastore_function_delete",
        Who::Sysadmin,
        "Functions of a database are not kept here; always refused.",
        &["name: the name of the function", "if_exists: no fault if there is none (optional)"],
        "nothing",
    ),
];
