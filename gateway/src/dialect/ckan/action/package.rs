//! Packages, resources, views, relationships.

use super::{Action, Who, read, write};

const ID: &str = "id: the id or name of the dataset";
const RESOURCE: &str = "id: the id of the resource";
const VIEW: &str = "id: the id of the view";

/// The fields of a dataset that a caller writes.
const FIELDS: &[&str] = &[
    "name: the name of the dataset, 2 to 100 lower-case letters, digits, - and _",
    "title: the title (optional, of a new dataset its name)",
    "private: whether only the organization sees it (optional, false)",
    "author: who made the data (optional)",
    "author_email: where the author is reached (optional)",
    "maintainer: who looks after the data (optional)",
    "maintainer_email: where the maintainer is reached (optional)",
    "license_id: the id of its license, see license_list (optional)",
    "notes: a description (optional)",
    "url: where it comes from (optional)",
    "version: at most 100 characters (optional)",
    "state: active, draft or deleted; on a new dataset an administrator's word only (optional)",
    "type: the type of the dataset; it never changes (optional, dataset)",
    "resources: a list of resource dictionaries, see resource_create (optional)",
    "tags: a list of dictionaries with name and vocabulary_id (optional)",
    "extras: a list of dictionaries with key and value (optional)",
    "groups: a list of dictionaries with id or name (optional)",
    "owner_org: the id or name of its organization",
];

/// The fields of a resource that a caller writes.
const RESOURCE_FIELDS: &[&str] = &[
    "package_id: the id or name of the dataset that gets it; of an existing resource it never changes",
    "id: the id of the resource, for update and patch",
    "url: its address (optional)",
    "name: its name (optional)",
    "description: what it is (optional)",
    "format: its format; guessed from the address if absent (optional)",
    "hash: a checksum of its bytes (optional)",
    "mimetype: its media type; guessed from the address if absent (optional)",
    "size: bytes (optional)",
    "resource_type: a word of the caller's own (optional)",
    "last_modified: an ISO date (optional)",
];

/// What a search may be given.
const SEARCH: &[&str] = &[
    "q: the query; with a colon in Lucene's language, else words (optional, everything)",
    "fq: a filter in Lucene's language (optional)",
    "fq_list: a list of further filters (optional)",
    "sort: field and direction, and others behind commas (optional, score desc, metadata_modified desc)",
    "rows: how many at most (optional, 10)",
    "start: how many to leave out from the start (optional)",
    "facet: whether facets are counted (optional, true)",
    "facet.mincount: the smallest count that is shown (optional, 1)",
    "facet.limit: values of one facet, a negative number for all (optional, 50)",
    "facet.field: a list of the fields that are counted (optional)",
    "include_drafts: drafts too, as far as the caller sees them (optional, false)",
    "include_deleted: deleted ones too, if the site keeps them (optional, false)",
    "include_private: private ones too, as far as the caller sees them (optional, false)",
    "use_default_schema: taken and without effect (optional)",
    "fl: a list of fields of the index in place of whole datasets (optional)",
    "qf: fields with boosts that words are asked of (optional)",
    "mm: how many of the words must be found (optional)",
    "tie: what the fields count in which a word was found less well (optional)",
    "defType: lucene, dismax or edismax (optional)",
    "df: the field of terms that name none (optional, text)",
    "extras: what is for extensions (optional)",
];

const RELATIONSHIP: &[&str] = &[
    "subject: the id or name of the dataset that is the subject",
    "object: the id or name of the dataset that is the object",
    "type: depends_on, dependency_of, derives_from, has_derivation, links_to, linked_from, child_of or parent_of",
    "comment: a comment (optional)",
];

const VIEW_FIELDS: &[&str] = &[
    "resource_id: the id of the resource",
    "id: the id of the view, for update",
    "title: the title of the view",
    "description: a description (optional)",
    "view_type: the type of the view; it never changes",
];

const BULK: &[&str] = &["datasets: a list of ids of datasets", "org_id: the id of the organization that owns them"];

pub(super) const ACTIONS: &[Action] = &[
    read(
        "package_list",
        Who::Anyone,
        "Return a list of the names of the site's datasets.",
        &["limit: how many at most (optional)", "offset: how many to leave out from the start (optional)"],
        "a list of names",
    ),
    read(
        "current_package_list_with_resources",
        Who::Anyone,
        "Return a list of the site's datasets and their resources, the last modified first.",
        &[
            "limit: how many at most (optional, 10)",
            "offset: how many to leave out from the start (optional)",
            "page: which part of that size (deprecated)",
        ],
        "a list of dictionaries",
    ),
    read(
        "package_show",
        Who::Reader,
        "Return the metadata of a dataset and its resources.",
        &[
            ID,
            "use_default_schema: ignored, there is one schema (optional)",
            "include_plugin_data: plugin data too, for administrators (optional)",
        ],
        "a dictionary",
    ),
    read("package_search", Who::Anyone, "Search for datasets.", SEARCH, "a dictionary with count, results, sort, facets and search_facets"),
    read(
        "package_autocomplete",
        Who::Anyone,
        "Return a list of datasets whose name or title contains a text.",
        &["q: the text", "limit: how many at most (optional, 10)"],
        "a list of dictionaries with name, title, match_field and match_displayed",
    ),
    write(
        "package_create",
        Who::Editor,
        "Create a new dataset.\n\nYou must be authorized to create datasets in its organization, and to edit its groups.",
        FIELDS,
        "the new dataset, a dictionary",
    ),
    write(
        "package_update",
        Who::Editor,
        "Update a dataset: what is not given is removed.\n\nSee package_patch for a change that leaves the rest alone.",
        FIELDS,
        "the updated dataset, a dictionary",
    ),
    write(
        "package_patch",
        Who::Editor,
        "Patch a dataset: top-level fields that are not given stay, those that are given are replaced as a whole.",
        &[ID, "any field of package_create: its new value (optional)"],
        "the patched dataset, a dictionary",
    ),
    write(
        "package_revise",
        Who::Editor,
        "Revise a dataset selectively: deep changes, under conditions, all at once.",
        &[
            "match: a dictionary with id or name; every value must be the current one",
            "filter: patterns such as -path and +path that say what is removed (optional)",
            "update: a dictionary that is merged deeply (optional)",
            "update__path__to__field: the new value of one field; __extend adds to a list (optional)",
            "include: patterns that say what is answered (optional)",
        ],
        "a dictionary with the dataset under package",
    ),
    write(
        "package_resource_reorder",
        Who::Editor,
        "Reorder the resources of a dataset; those that are not named follow in their order.",
        &[ID, "order: a list of ids of resources"],
        "a dictionary with id and order",
    ),
    write(
        "package_owner_org_update",
        Who::Sysadmin,
        "Update the owning organization of a dataset.",
        &[ID, "organization_id: the id or name of the organization; empty = none"],
        "null",
    ),
    write(
        "package_delete",
        Who::Editor,
        "Delete a dataset: it disappears from lists and can be brought back with state active.",
        &[ID],
        "null",
    ),
    write("dataset_purge", Who::Sysadmin, "Purge a dataset: it is gone for good.", &[ID], "null"),
    write("bulk_update_private", Who::GroupAdmin, "Make a list of an organization's datasets private.", BULK, "null"),
    write("bulk_update_public", Who::GroupAdmin, "Make a list of an organization's datasets public.", BULK, "null"),
    write("bulk_update_delete", Who::GroupAdmin, "Delete a list of an organization's datasets.", BULK, "null"),
    write(
        "package_create_default_resource_views",
        Who::Editor,
        "Create the views that the resources of a dataset get by themselves.",
        &["package: the dataset's dictionary"],
        "a list of views",
    ),
    read("resource_show", Who::Reader, "Return the metadata of a resource.", &[RESOURCE], "a dictionary"),
    read(
        "format_autocomplete",
        Who::Anyone,
        "Return a list of resource formats that contain a text, the most frequent first.",
        &["q: the text", "limit: how many at most (optional, 5)"],
        "a list of formats",
    ),
    read(
        "resource_search",
        Who::Anyone,
        "Search for resources by parts of their fields.",
        &[
            "query: field:term, or a list of these that all must hold",
            "order_by: the field to sort by, ascending (optional)",
            "offset: how many to leave out from the start (optional)",
            "limit: how many at most (optional)",
        ],
        "a dictionary with count and results",
    ),
    write(
        "resource_create",
        Who::Editor,
        "Append a new resource to a dataset's list of resources.",
        RESOURCE_FIELDS,
        "the new resource, a dictionary",
    ),
    write(
        "resource_update",
        Who::Editor,
        "Update a resource: what is not given is removed.",
        RESOURCE_FIELDS,
        "the updated resource, a dictionary",
    ),
    write(
        "resource_patch",
        Who::Editor,
        "Patch a resource: fields that are not given stay.",
        RESOURCE_FIELDS,
        "the patched resource, a dictionary",
    ),
    write("resource_delete", Who::Editor, "Delete a resource from a dataset.", &[RESOURCE], "null"),
    read("resource_view_show", Who::Reader, "Return the metadata of a view of a resource.", &[VIEW], "a dictionary"),
    read("resource_view_list", Who::Reader, "Return the views of a resource, in their order.", &[RESOURCE], "a list of dictionaries"),
    write("resource_view_create", Who::Editor, "Create a view of a resource.", VIEW_FIELDS, "the new view, a dictionary"),
    write("resource_view_update", Who::Editor, "Update a view of a resource.", VIEW_FIELDS, "the updated view, a dictionary"),
    write(
        "resource_view_reorder",
        Who::Editor,
        "Reorder the views of a resource.",
        &[RESOURCE, "order: a list of ids of views"],
        "a dictionary with id and order",
    ),
    write("resource_view_delete", Who::Editor, "Delete a view of a resource.", &[VIEW], "a dictionary with resource_id"),
    write(
        "resource_view_clear",
        Who::Sysadmin,
        "Delete all views, or all of certain types.",
        &["view_types: a list of types; empty = all (optional)"],
        "null",
    ),
    write(
        "resource_create_default_resource_views",
        Who::Editor,
        "Create the views that a resource gets by itself.",
        &["resource: the resource's dictionary", "package: the dataset's dictionary (optional)"],
        "a list of views",
    ),
    read(
        "package_relationships_list",
        Who::Reader,
        "Return a dataset's relationships, seen from its side.",
        &[
            "id: the id or name of the first dataset",
            "id2: the id or name of the second one (optional)",
            "rel: a type of relationship (optional)",
        ],
        "a list of dictionaries",
    ),
    write(
        "package_relationship_create",
        Who::Editor,
        "Create a relationship between two datasets.",
        RELATIONSHIP,
        "the relationship, a dictionary",
    ),
    write(
        "package_relationship_update",
        Who::Editor,
        "Update the comment of a relationship between two datasets.",
        RELATIONSHIP,
        "the relationship, a dictionary",
    ),
    write("package_relationship_delete", Who::Editor, "Delete a relationship between two datasets.", RELATIONSHIP, "null"),
];
