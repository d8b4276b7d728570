//! Groups, organizations, members, collaborators.

use super::{Action, Who, read, write};

const ID: &str = "id: the id or name of the group";
const ORGANIZATION: &str = "id: the id or name of the organization";
const DATASET: &str = "id: the id or name of the dataset";

const LIST: &[&str] = &[
    "type: the type of group (optional)",
    "sort: name, title or package_count, with asc or desc (optional, title asc)",
    "limit: how many at most (optional)",
    "offset: how many to leave out from the start (optional)",
    "groups: only groups with these names; of organizations the parameter is organizations (optional)",
    "q: a text in the name, title or description (optional)",
    "all_fields: dictionaries in place of names (optional, false)",
    "include_dataset_count: how many datasets it has (optional, true)",
    "include_extras: its extras (optional, false)",
    "include_groups: the groups above it (optional, false)",
    "include_users: its members (optional, false)",
    "include_followers: how many follow it (optional, false)",
];

const SHOW: &[&str] = &[
    ID,
    "include_datasets: its first datasets (optional, false)",
    "include_dataset_count: how many datasets it has (optional, true)",
    "include_extras: its extras (optional, true)",
    "include_users: its members (optional, true)",
    "include_groups: the groups above it (optional, true)",
    "include_followers: how many follow it (optional, true)",
    "include_member_count: how many members it has (optional, false)",
];

const FIELDS: &[&str] = &[
    "id: its id or name, for update and patch",
    "name: its name, 2 to 100 lower-case letters, digits, - and _",
    "title: its title (optional)",
    "description: a description (optional)",
    "image_url: the address of its picture (optional)",
    "type: its type; it never changes (optional)",
    "state: active or deleted (optional)",
    "extras: a list of dictionaries with key and value (optional)",
    "packages: of a group, a list of dictionaries with the id of a dataset (optional)",
    "groups: a list of dictionaries with the name of a group above it (optional)",
    "users: a list of dictionaries with name and capacity (optional)",
];

const TYPED: &[&str] = &["q: the text", "limit: how many at most (optional, 20)"];
const MEMBER: &[&str] = &[
    "id: the id or name of the group",
    "object: the id or name of what is added",
    "object_type: user, package or group",
    "capacity: the role of the member",
];
const PERSON: &[&str] = &["id: the id or name of the group", "username: the name or id of the user", "role: admin, editor or member"];
const NO_PERSON: &[&str] = &["id: the id or name of the group", "username: the name or id of the user"];

pub(super) const ACTIONS: &[Action] = &[
    read("group_list", Who::Anyone, "Return a list of the names of the site's groups.", LIST, "a list of names, or of dictionaries"),
    read(
        "organization_list",
        Who::Anyone,
        "Return a list of the names of the site's organizations.",
        LIST,
        "a list of names, or of dictionaries",
    ),
    read(
        "group_list_authz",
        Who::Anyone,
        "Return the groups that the caller may put datasets into.",
        &[
            "available_only: ignored (optional)",
            "am_member: only those that the caller is a member of (optional)",
            "include_dataset_count: how many datasets each has (optional, true)",
            "include_member_count: how many members each has (optional, false)",
        ],
        "a list of dictionaries",
    ),
    read(
        "organization_list_for_user",
        Who::Anyone,
        "Return the organizations in which a user has a permission.",
        &[
            "id: the id or name of the user (optional, the caller)",
            "permission: the permission (optional, manage_group)",
            "include_dataset_count: how many datasets each has (optional, false)",
            "include_member_count: how many members each has (optional, false)",
        ],
        "a list of dictionaries with capacity",
    ),
    read("group_show", Who::Anyone, "Return the details of a group.", SHOW, "a dictionary"),
    read("organization_show", Who::Anyone, "Return the details of an organization.", SHOW, "a dictionary"),
    read(
        "group_package_show",
        Who::Anyone,
        "Return the datasets of a group.",
        &[ID, "limit: how many at most (optional, 10)"],
        "a list of dictionaries",
    ),
    read(
        "group_autocomplete",
        Who::Anyone,
        "Return a list of groups whose name or title contains a text.",
        TYPED,
        "a list of dictionaries with id, name and title",
    ),
    read(
        "organization_autocomplete",
        Who::Anyone,
        "Return a list of organizations whose name or title contains a text.",
        TYPED,
        "a list of dictionaries with id, name and title",
    ),
    write("group_create", Who::User, "Create a new group; the caller becomes its admin.", FIELDS, "the new group, a dictionary"),
    write(
        "organization_create",
        Who::User,
        "Create a new organization; the caller becomes its admin.",
        FIELDS,
        "the new organization, a dictionary",
    ),
    write(
        "group_update",
        Who::GroupAdmin,
        "Update a group: extras that are not given are removed, everything else that is not given stays.",
        FIELDS,
        "the updated group, a dictionary",
    ),
    write(
        "organization_update",
        Who::GroupAdmin,
        "Update an organization: extras that are not given are removed, everything else that is not given stays.",
        FIELDS,
        "the updated organization, a dictionary",
    ),
    write("group_patch", Who::GroupAdmin, "Patch a group: what is not given stays.", FIELDS, "the patched group, a dictionary"),
    write(
        "organization_patch",
        Who::GroupAdmin,
        "Patch an organization: what is not given stays.",
        FIELDS,
        "the patched organization, a dictionary",
    ),
    write("group_delete", Who::GroupAdmin, "Delete a group: it is hidden and has no members any more.", &[ID], "null"),
    write("organization_delete", Who::GroupAdmin, "Delete an organization that has no datasets.", &[ORGANIZATION], "null"),
    write("group_purge", Who::Sysadmin, "Purge a group: it is gone for good.", &[ID], "null"),
    write(
        "organization_purge",
        Who::Sysadmin,
        "Purge an organization: it is gone for good, its datasets belong to nobody.",
        &[ORGANIZATION],
        "null",
    ),
    read(
        "member_list",
        Who::Anyone,
        "Return the members of a group.",
        &[ID, "object_type: user, package or group (optional)", "capacity: only members with this role (optional)"],
        "a list of lists of id, type and role",
    ),
    read(
        "member_roles_list",
        Who::Anyone,
        "Return the possible roles of members.",
        &["group_type: group or organization (optional, organization)"],
        "a list of dictionaries with text and value",
    ),
    write(
        "member_create",
        Who::GroupAdmin,
        "Make a user, a dataset or a group a member of a group.",
        MEMBER,
        "the membership, a dictionary",
    ),
    write("member_delete", Who::GroupAdmin, "Remove a user, a dataset or a group from a group.", MEMBER, "null"),
    write("group_member_create", Who::GroupAdmin, "Make a user a member of a group.", PERSON, "the membership, a dictionary"),
    write(
        "organization_member_create",
        Who::GroupAdmin,
        "Make a user a member of an organization.",
        PERSON,
        "the membership, a dictionary",
    ),
    write("group_member_delete", Who::GroupAdmin, "Remove a user from a group.", NO_PERSON, "null"),
    write("organization_member_delete", Who::GroupAdmin, "Remove a user from an organization.", NO_PERSON, "null"),
    read(
        "package_collaborator_list",
        Who::Manager,
        "Return the collaborators of a dataset.",
        &[DATASET, "capacity: only those with this role (optional)"],
        "a list of dictionaries",
    ),
    read(
        "package_collaborator_list_for_user",
        Who::Oneself,
        "Return the datasets that a user is a collaborator of.",
        &["id: the id or name of the user", "capacity: only those with this role (optional)"],
        "a list of dictionaries",
    ),
    write(
        "package_collaborator_create",
        Who::Manager,
        "Make a user a collaborator of a dataset, or change the role.",
        &[DATASET, "user_id: the id or name of the user", "capacity: editor or member; admin where the site allows it"],
        "the collaborator, a dictionary",
    ),
    write(
        "package_collaborator_delete",
        Who::Manager,
        "Remove a collaborator from a dataset.",
        &[DATASET, "user_id: the id or name of the user"],
        "null",
    ),
];
