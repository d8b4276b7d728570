//! Following, activities, the dashboard.

use super::{Action, Who, read, write};

const USER: &[&str] = &["id: the id or name of the user"];
const DATASET: &[&str] = &["id: the id or name of the dataset"];
const GROUP: &[&str] = &["id: the id or name of the group"];
const ORGANIZATION: &[&str] = &["id: the id or name of the organization"];
const STREAM: &[&str] = &[
    "id: the id or name of what it is about",
    "limit: how many at most (optional, 31)",
    "offset: how many to leave out from the start (optional)",
    "after: only later ones, in seconds since 1970 (optional)",
    "before: only earlier ones, in seconds since 1970 (optional)",
    "activity_types: only these types (optional)",
    "exclude_activity_types: none of these types (optional)",
    "include_hidden_activity: what the site's own user did too, for administrators (optional)",
];
const OF_ALL: &[&str] = &["limit: how many at most (optional, 31)", "offset: how many to leave out from the start (optional)"];
const ROW: &str = "a dictionary with follower_id, object_id and datetime";
const MANY: &str = "a list of dictionaries";
const FEW: &str = "a list of activities, newest first";

pub(super) const ACTIONS: &[Action] = &[
    write("follow_user", Who::User, "Start following another user.", USER, ROW),
    write("follow_dataset", Who::User, "Start following a dataset.", DATASET, ROW),
    write("follow_group", Who::User, "Start following a group or an organization.", GROUP, ROW),
    write("unfollow_user", Who::User, "Stop following a user.", USER, "null"),
    write("unfollow_dataset", Who::User, "Stop following a dataset.", DATASET, "null"),
    write("unfollow_group", Who::User, "Stop following a group or an organization.", GROUP, "null"),
    read("am_following_user", Who::User, "Return whether the caller follows a user.", USER, "true or false"),
    read("am_following_dataset", Who::User, "Return whether the caller follows a dataset.", DATASET, "true or false"),
    read("am_following_group", Who::User, "Return whether the caller follows a group or an organization.", GROUP, "true or false"),
    read("user_follower_count", Who::Anyone, "Return how many follow a user.", USER, "a number"),
    read("dataset_follower_count", Who::Anyone, "Return how many follow a dataset.", DATASET, "a number"),
    read("group_follower_count", Who::Anyone, "Return how many follow a group.", GROUP, "a number"),
    read("organization_follower_count", Who::Anyone, "Return how many follow an organization.", ORGANIZATION, "a number"),
    read("user_follower_list", Who::Sysadmin, "Return the users who follow a user.", USER, MANY),
    read("dataset_follower_list", Who::Sysadmin, "Return the users who follow a dataset.", DATASET, MANY),
    read("group_follower_list", Who::Sysadmin, "Return the users who follow a group.", GROUP, MANY),
    read("organization_follower_list", Who::Sysadmin, "Return the users who follow an organization.", ORGANIZATION, MANY),
    read("followee_count", Who::Anyone, "Return how much a user follows.", USER, "a number"),
    read("user_followee_count", Who::Anyone, "Return how many users a user follows.", USER, "a number"),
    read("dataset_followee_count", Who::Anyone, "Return how many datasets a user follows.", USER, "a number"),
    read("group_followee_count", Who::Anyone, "Return how many groups a user follows.", USER, "a number"),
    read("organization_followee_count", Who::Anyone, "Return how many organizations a user follows.", USER, "a number"),
    read(
        "followee_list",
        Who::Oneself,
        "Return what a user follows.",
        &["id: the id or name of the user", "q: the beginning of a name (optional)"],
        "a list of dictionaries with type, display_name and dict",
    ),
    read("user_followee_list", Who::Oneself, "Return the users that a user follows.", USER, MANY),
    read("dataset_followee_list", Who::Oneself, "Return the datasets that a user follows.", USER, MANY),
    read("group_followee_list", Who::Oneself, "Return the groups that a user follows.", USER, MANY),
    read("organization_followee_list", Who::Oneself, "Return the organizations that a user follows.", USER, MANY),
    read("package_activity_list", Who::Reader, "Return a dataset's activities.", STREAM, FEW),
    read("user_activity_list", Who::Anyone, "Return a user's activities.", STREAM, FEW),
    read("group_activity_list", Who::Anyone, "Return the activities of a group and its datasets.", STREAM, FEW),
    read("organization_activity_list", Who::Anyone, "Return the activities of an organization and its datasets.", STREAM, FEW),
    read("recently_changed_packages_activity_list", Who::Anyone, "Return the activities of all datasets.", OF_ALL, FEW),
    read(
        "dashboard_activity_list",
        Who::User,
        "Return the caller's dashboard: what he did and what happened to what he follows.",
        OF_ALL,
        "a list of activities with is_new, newest first",
    ),
    read("dashboard_new_activities_count", Who::User, "Return how many activities of the dashboard are new.", OF_ALL, "a number"),
    write("dashboard_mark_activities_old", Who::User, "Mark all activities of the dashboard as seen, as of now.", &[], "null"),
    read(
        "activity_show",
        Who::Reader,
        "Return one activity.",
        &["id: the id of the activity", "include_data: the object as it was (optional, true)"],
        "a dictionary",
    ),
    read(
        "activity_data_show",
        Who::Editor,
        "Return the object as it was after an activity.",
        &["id: the id of the activity", "object_type: package, group or user (optional)"],
        "a dictionary",
    ),
    write(
        "activity_create",
        Who::Sysadmin,
        "Create an activity.",
        &[
            "user_id: the id or name of the user who did it",
            "object_id: the id of what it is about",
            "activity_type: what was done",
            "data: a dictionary (optional)",
        ],
        "the new activity, a dictionary",
    ),
    write("send_email_notifications", Who::Sysadmin, "Send what is new by e-mail, where the site does so.", &[], "null"),
];
