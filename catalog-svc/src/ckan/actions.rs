//! The actions that the catalogue answers, in the order of ckan.md section 3. Users' secrets are the gateway's.

use futures::{
    FutureExt,
    future::{BoxFuture, ready},
};
use madang_kit::ckan::Outcome;

use super::{
    Act, activity, autocomplete, collaborator, follow, group, license, member, option, package, relationship, resource, search, status,
    tag, task, translation, user, view, vocabulary,
};

/// What an action's name stands for; `None` if there is no such action.
#[expect(clippy::too_many_lines, reason = "a list")]
pub(super) fn handler(act: &mut Act) -> Option<BoxFuture<'_, Outcome>> {
    Some(match act.action.clone().as_str() {
        // packages
        "package_list" => package::list::names(act).boxed(),
        "current_package_list_with_resources" => package::list::current(act).boxed(),
        "package_show" => package::show(act).boxed(),
        "package_search" => search::packages(act).boxed(),
        "package_autocomplete" => autocomplete::packages(act).boxed(),
        "package_create" => package::create(act).boxed(),
        "package_update" => package::update(act).boxed(),
        "package_patch" => package::patch(act).boxed(),
        "package_revise" => package::revise::revise(act).boxed(),
        "package_resource_reorder" => resource::reorder(act).boxed(),
        "package_owner_org_update" => package::change::move_to(act).boxed(),
        "package_delete" => package::change::delete(act).boxed(),
        "dataset_purge" => package::change::purge(act).boxed(),
        "bulk_update_private" | "bulk_update_public" | "bulk_update_delete" => package::change::bulk(act).boxed(),
        // resources and views
        "resource_show" => resource::show(act).boxed(),
        "resource_search" => resource::search::search(act).boxed(),
        "format_autocomplete" => autocomplete::formats(act).boxed(),
        "resource_create" => resource::create(act).boxed(),
        "resource_update" => resource::update(act).boxed(),
        "resource_patch" => resource::patch(act).boxed(),
        "resource_delete" => resource::delete(act).boxed(),
        "resource_view_show" => view::show(act).boxed(),
        "resource_view_list" => view::list(act).boxed(),
        "resource_view_create" => view::create(act).boxed(),
        "resource_view_update" => view::update(act).boxed(),
        "resource_view_reorder" => view::reorder(act).boxed(),
        "resource_view_delete" => view::delete(act).boxed(),
        "resource_view_clear" => view::clear(act).boxed(),
        "resource_create_default_resource_views" => view::of_resource(act).boxed(),
        "package_create_default_resource_views" => view::of_package(act).boxed(),
        // groups and organizations
        "group_list" | "organization_list" => group::list::list(act).boxed(),
        "group_list_authz" => group::list::authz(act).boxed(),
        "organization_list_for_user" => group::list::for_user(act).boxed(),
        "group_show" | "organization_show" => group::show(act).boxed(),
        "group_package_show" => group::list::packages(act).boxed(),
        "group_autocomplete" | "organization_autocomplete" => autocomplete::groups(act).boxed(),
        "group_create" | "organization_create" => group::create(act).boxed(),
        "group_update" | "organization_update" => group::update(act).boxed(),
        "group_patch" | "organization_patch" => group::patch(act).boxed(),
        "group_delete" | "organization_delete" => group::change::delete(act).boxed(),
        "group_purge" | "organization_purge" => group::change::purge(act).boxed(),
        // members and collaborators
        "member_list" => member::list(act).boxed(),
        "member_roles_list" => ready(Ok(member::roles(act))).boxed(),
        "member_create" => member::create(act).boxed(),
        "member_delete" => member::delete(act).boxed(),
        "group_member_create" | "organization_member_create" => member::create_user(act).boxed(),
        "group_member_delete" | "organization_member_delete" => member::delete_user(act).boxed(),
        "package_collaborator_list" => collaborator::list(act).boxed(),
        "package_collaborator_list_for_user" => collaborator::list_for_user(act).boxed(),
        "package_collaborator_create" => collaborator::create(act).boxed(),
        "package_collaborator_delete" => collaborator::delete(act).boxed(),
        // users
        "user_list" => user::list(act).boxed(),
        "user_show" => user::show(act).boxed(),
        "user_autocomplete" => autocomplete::users(act).boxed(),
        "get_site_user" => user::site_user(act).boxed(),
        // tags and vocabularies
        "tag_list" => tag::list(act).boxed(),
        "tag_show" => tag::show(act).boxed(),
        "tag_search" => tag::search(act).boxed(),
        "tag_autocomplete" => tag::autocomplete(act).boxed(),
        "tag_create" => tag::create(act).boxed(),
        "tag_delete" => tag::delete(act).boxed(),
        "vocabulary_list" => vocabulary::list(act).boxed(),
        "vocabulary_show" => vocabulary::show(act).boxed(),
        "vocabulary_create" => vocabulary::create(act).boxed(),
        "vocabulary_update" => vocabulary::update(act).boxed(),
        "vocabulary_delete" => vocabulary::delete(act).boxed(),
        // relationships
        "package_relationships_list" => relationship::list(act).boxed(),
        "package_relationship_create" => relationship::create(act).boxed(),
        "package_relationship_update" => relationship::update(act).boxed(),
        "package_relationship_delete" => relationship::delete(act).boxed(),
        // following, activity, dashboard
        "follow_user" | "follow_dataset" | "follow_group" => follow::follow(act).boxed(),
        "unfollow_user" | "unfollow_dataset" | "unfollow_group" => follow::unfollow(act).boxed(),
        "am_following_user" | "am_following_dataset" | "am_following_group" => follow::am_following(act).boxed(),
        "user_follower_count" | "dataset_follower_count" | "group_follower_count" | "organization_follower_count" => {
            follow::follower_count(act).boxed()
        }
        "user_follower_list" | "dataset_follower_list" | "group_follower_list" | "organization_follower_list" => {
            follow::follower_list(act).boxed()
        }
        "followee_count" | "user_followee_count" | "dataset_followee_count" | "group_followee_count" | "organization_followee_count" => {
            follow::followee_count(act).boxed()
        }
        "followee_list" | "user_followee_list" | "dataset_followee_list" | "group_followee_list" | "organization_followee_list" => {
            follow::followee_list(act).boxed()
        }
        "package_activity_list" => activity::of_package(act).boxed(),
        "user_activity_list" => activity::of_user(act).boxed(),
        "group_activity_list" | "organization_activity_list" => activity::of_group(act).boxed(),
        "recently_changed_packages_activity_list" => activity::recent(act).boxed(),
        "dashboard_activity_list" => activity::dashboard(act).boxed(),
        "dashboard_new_activities_count" => activity::count_new(act).boxed(),
        "dashboard_mark_activities_old" => activity::mark_old(act).boxed(),
        "activity_show" => activity::show(act).boxed(),
        "activity_data_show" => activity::show_data(act).boxed(),
        "activity_create" => activity::create(act).boxed(),
        "send_email_notifications" => ready(activity::send(act)).boxed(),
        // tasks, options, the rest
        "status_show" => status::show(act).boxed(),
        "site_read" => ready(Ok(true.into())).boxed(),
        "license_list" => ready(Ok(license::list())).boxed(),
        "task_status_show" => task::show(act).boxed(),
        "task_status_update" => task::update(act).boxed(),
        "task_status_update_many" => task::update_many(act).boxed(),
        "task_status_delete" => task::delete(act).boxed(),
        "term_translation_show" => translation::show(act).boxed(),
        "term_translation_update" => translation::update(act).boxed(),
        "term_translation_update_many" => translation::update_many(act).boxed(),
        "config_option_list" => ready(option::list(act)).boxed(),
        "config_option_show" => option::show(act).boxed(),
        "config_option_update" => option::update(act).boxed(),
        _ => return None,
    })
}
