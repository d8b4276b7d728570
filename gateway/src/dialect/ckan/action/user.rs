//! Users and their tokens.

use super::{Action, Who, read, write};

const ID: &str = "id: the id or name of the user";

const FIELDS: &[&str] = &[
    "id: the id or name of the user, for update and patch",
    "name: the user name, 2 to 100 lower-case letters, digits, - and _",
    "email: the e-mail address",
    "password: at least 8 characters; required of a new user",
    "fullname: the full name (optional)",
    "about: a description without links (optional)",
    "image_url: the address of a picture (optional)",
    "sysadmin: whether it is an administrator, for administrators (optional)",
    "state: active, pending or deleted, for administrators (optional)",
    "plugin_extras: a dictionary, for administrators (optional)",
    "with_apitoken: a new user's answer has a token (optional)",
];

pub(super) const ACTIONS: &[Action] = &[
    read(
        "user_list",
        Who::Anyone,
        "Return a list of the site's users.",
        &[
            "q: a text in the name or full name (optional)",
            "email: an e-mail address, for administrators (optional)",
            "order_by: id, name, fullname, display_name, created, about, sysadmin or number_created_packages (optional)",
            "all_fields: dictionaries in place of names (optional, true)",
            "include_site_user: the site's own user too (optional, false)",
        ],
        "a list of dictionaries, or of names",
    ),
    read(
        "user_show",
        Who::Anyone,
        "Return a user.",
        &[
            "id: the id or name of the user (optional, the caller)",
            "include_datasets: up to 50 datasets that the user made (optional, false)",
            "include_num_followers: how many follow the user (optional, false)",
            "include_password_hash: for administrators (optional, false)",
            "include_plugin_extras: for administrators (optional, false)",
        ],
        "a dictionary",
    )
    .here(),
    read(
        "user_autocomplete",
        Who::Anyone,
        "Return a list of users whose name or full name contains a text.",
        &["q: the text", "limit: how many at most (optional, 20)", "ignore_self: without the caller (optional, false)"],
        "a list of dictionaries with id, name and fullname",
    ),
    write("user_create", Who::Sysadmin, "Create a new user.", FIELDS, "the new user, a dictionary").here(),
    write(
        "user_update",
        Who::Oneself,
        "Update a user: email is required, what is not given stays.",
        FIELDS,
        "the updated user, a dictionary",
    )
    .here(),
    write("user_patch", Who::Oneself, "Patch a user: what is not given stays.", FIELDS, "the patched user, a dictionary").here(),
    write("user_delete", Who::Sysadmin, "Delete a user: nobody comes in as that user any more.", &[ID], "null").here(),
    write(
        "user_invite",
        Who::GroupAdmin,
        "Invite a new user by e-mail.",
        &["email: where the invitation goes", "group_id: the id or name of the group or organization", "role: the role in it"],
        "the new user, a dictionary",
    )
    .here(),
    write(
        "api_token_create",
        Who::Oneself,
        "Create a token; its text is shown here and never again.",
        &[
            "user: the name or id of the user",
            "name: what the token is for",
            "expires_in: after how many units it ends (optional)",
            "unit: seconds of one unit (optional)",
        ],
        "a dictionary with token",
    )
    .here(),
    read(
        "api_token_list",
        Who::Oneself,
        "Return the tokens of a user, without their texts.",
        &["user_id: the id or name of the user"],
        "a list of dictionaries",
    )
    .here(),
    write("api_token_revoke", Who::Oneself, "Revoke a token.", &["jti: the id of the token", "token: or its text"], "null").here(),
    read(
        "get_site_user",
        Who::Sysadmin,
        "Return the site's own user.",
        &["defer_commit: ignored (optional)"],
        "a dictionary with name, id and apikey",
    ),
];
