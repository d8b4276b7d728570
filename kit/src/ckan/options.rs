//! The site's options by CKAN's own names (ckan.md 11), from the configuration's `[ckan]` table or `--ckan-config`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::flag_value;

/// Reads an option from JSON or from a text, as CKAN's own files have them.
trait Read: Sized {
    fn read(value: &Value) -> Option<Self>;
}

impl Read for bool {
    fn read(value: &Value) -> Option<Self> {
        flag_value(value)
    }
}

impl Read for i64 {
    fn read(value: &Value) -> Option<Self> {
        value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
    }
}

impl Read for String {
    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned).or_else(|| value.is_number().then(|| value.to_string()))
    }
}

impl Read for Vec<String> {
    /// A list, or words parted by blanks.
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text.split_whitespace().map(str::to_owned).collect()),
            Value::Array(list) => list.iter().map(|word| word.as_str().map(str::to_owned)).collect(),
            _ => None,
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Declares [`SiteOptions`]: field, type, CKAN's name, default, meaning.
macro_rules! options {
    ($($field:ident: $type:ty = $default:expr, $name:literal, $about:literal;)*) => {
        /// What a site can set of CKAN's face.
        #[derive(Clone, Debug)]
        pub struct SiteOptions {
            $(#[doc = concat!("`", $name, "`: ", $about)] pub $field: $type,)*
        }

        impl Default for SiteOptions {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl SiteOptions {
            /// Takes one option; `None` if no option has that name, false if the value is not of its kind.
            fn take(&mut self, name: &str, value: &Value) -> Option<bool> {
                match name {
                    $($name => {
                        let read = Read::read(value);
                        let fits = read.is_some();
                        if let Some(read) = read { self.$field = read; }
                        Some(fits)
                    })*
                    _ => None,
                }
            }
        }
    };
}

options! {
    create_unowned_dataset: bool = false, "ckan.auth.create_unowned_dataset", "datasets may belong to no organization.";
    create_dataset_if_not_in_organization: bool = true, "ckan.auth.create_dataset_if_not_in_organization", "whoever is in no organization may make them.";
    anon_create_dataset: bool = false, "ckan.auth.anon_create_dataset", "even callers without a token may.";
    user_create_groups: bool = true, "ckan.auth.user_create_groups", "every user may make groups.";
    user_create_organizations: bool = true, "ckan.auth.user_create_organizations", "every user may make organizations.";
    user_delete_groups: bool = true, "ckan.auth.user_delete_groups", "a group's admins may delete it.";
    user_delete_organizations: bool = true, "ckan.auth.user_delete_organizations", "an organization's admins may delete it.";
    create_user_via_api: bool = false, "ckan.auth.create_user_via_api", "everybody may make users.";
    public_user_details: bool = true, "ckan.auth.public_user_details", "everybody may see users.";
    public_activity_stream_detail: bool = false, "ckan.auth.public_activity_stream_detail", "everybody may see what a change changed.";
    allow_dataset_collaborators: bool = false, "ckan.auth.allow_dataset_collaborators", "datasets may have collaborators.";
    allow_admin_collaborators: bool = false, "ckan.auth.allow_admin_collaborators", "collaborators may be admins.";
    allow_collaborators_to_change_owner_org: bool = false, "ckan.auth.allow_collaborators_to_change_owner_org", "collaborators may move a dataset.";
    roles_that_cascade_to_sub_groups: Vec<String> = words("admin"), "ckan.auth.roles_that_cascade_to_sub_groups", "roles that hold in the groups below.";
    group_and_organization_list_max: i64 = 1000, "ckan.group_and_organization_list_max", "names in a list of groups.";
    group_and_organization_list_all_fields_max: i64 = 25, "ckan.group_and_organization_list_all_fields_max", "dictionaries in a list of groups.";
    default_group_sort: String = "title".to_owned(), "ckan.default_group_sort", "the order of lists of groups.";
    activity_list_limit: i64 = 31, "ckan.activity_list_limit", "activities in a list, if it does not say how many.";
    activity_list_limit_max: i64 = 100, "ckan.activity_list_limit_max", "activities in a list.";
    email_notifications: bool = false, "ckan.activity_streams_email_notifications", "activities are sent by e-mail.";
    rows_max: i64 = 1000, "ckan.search.rows_max", "datasets in one answer.";
    unique_email_states: Vec<String> = words("active"), "ckan.user.unique_email_states", "states of users whose e-mail is taken.";
    hide_version: bool = false, "ckan.hide_version", "`ckan_version` is for administrators alone.";
    site_id: String = "default".to_owned(), "ckan.site_id", "the site's id in an index.";
    site_url: String = String::new(), "ckan.site_url", "the site's address; the hub's own if it is empty.";
    site_title: String = "CKAN".to_owned(), "ckan.site_title", "the site's title.";
    site_description: String = String::new(), "ckan.site_description", "the site's description.";
    site_about: String = String::new(), "ckan.site_about", "a text about the site.";
    site_intro_text: String = String::new(), "ckan.site_intro_text", "the text of the first page.";
    site_custom_css: String = String::new(), "ckan.site_custom_css", "styles of the web pages.";
    site_logo: String = String::new(), "ckan.site_logo", "the address of the site's logo.";
    theme: String = String::new(), "ckan.theme", "the theme of the web pages.";
    error_emails_to: String = String::new(), "email_to", "who is told of faults.";
    locale_default: String = "en".to_owned(), "ckan.locale_default", "the language of the site.";
    plugins: Vec<String> = words("activity image_view text_view webpage_view audio_view video_view datatables_view expire_api_token datastore"), "ckan.plugins", "what is switched on.";
    default_views: Vec<String> = words("image_view datatables_view"), "ckan.views.default_views", "views that a new resource gets.";
    mimetype_guess: String = "file_ext".to_owned(), "ckan.mimetype_guess", "how a media type is guessed: `file_ext`, or not at all.";
    licenses: String = String::new(), "licenses_group_url", "the address or file of a list of licenses; the built-in ones if it is empty.";
    cors_allow_all: bool = true, "ckan.cors.origin_allow_all", "scripts of every origin may read.";
    cors_whitelist: Vec<String> = Vec::new(), "ckan.cors.origin_whitelist", "origins that may, if not all.";
    token_header: String = "Authorization".to_owned(), "apitoken_header_name", "a further header for the token.";
    key_header: String = "X-CKAN-API-Key".to_owned(), "apikey_header_name", "a header for the token.";
    token_lifetime: i64 = 0, "expire_api_token.default_lifetime", "seconds that a new token lives; 0 = for ever.";
    datasets_per_page: i64 = 20, "ckan.datasets_per_page", "datasets on a web page.";
    default_package_sort: String = "score desc, metadata_modified desc".to_owned(), "ckan.search.default_package_sort", "the order of searches.";
    facets_limit: i64 = 50, "ckan.search.facets.limit", "values of a facet.";
    max_resource_size: i64 = 10, "ckan.max_resource_size", "MB of an uploaded file.";
    max_image_size: i64 = 2, "ckan.max_image_size", "MB of an uploaded picture.";
    upload_group_types: Vec<String> = words("image"), "ckan.upload.group.types", "kinds of files that may be pictures of groups.";
    upload_group_mimetypes: Vec<String> = words("image/png image/gif image/jpeg"), "ckan.upload.group.mimetypes", "their media types.";
    loader_enabled: bool = true, "madang.loader.enabled", "resources become tables by themselves.";
    create_default_api_keys: bool = false, "ckan.auth.create_default_api_keys", "new users get a key.";
    create_user_via_web: bool = true, "ckan.auth.create_user_via_web", "everybody may make users on the web pages.";
    datastore_rows_default: i64 = 100, "ckan.datastore.search.rows_default", "rows of a table in one answer, if it does not say how many.";
    datastore_rows_max: i64 = 32_000, "ckan.datastore.search.rows_max", "rows of a table in one answer.";
    datastore_language: String = "english".to_owned(), "ckan.datastore.default_fts_lang", "the language of questions for words.";
    datastore_sql: bool = false, "ckan.datastore.sqlsearch.enabled", "tables may be asked in SQL (`datastore_search_sql`).";
    remove_deleted_packages: bool = true, "ckan.search.remove_deleted_packages", "searches do not find deleted datasets.";
}

impl SiteOptions {
    /// Reads options by name. An option that is not known, or whose value is not of its kind, is a warning, never an error.
    pub fn read(given: &BTreeMap<String, Value>) -> (Self, Vec<String>) {
        let (mut options, mut warnings) = (Self::default(), Vec::new());
        for (name, value) in given {
            match options.take(name, value) {
                Some(true) => {}
                Some(false) => warnings.push(format!("the CKAN option '{name}' has a value of another kind and keeps its default")),
                None => warnings.push(format!("'{name}' is no CKAN option that is known here")),
            }
        }
        (options, warnings)
    }

    /// [`Self::read`], with the warnings in the log.
    pub fn load(given: &BTreeMap<String, Value>) -> Self {
        let (options, warnings) = Self::read(given);
        for warning in warnings {
            tracing::warn!(reason = warning, "CKAN option ignored");
        }
        options
    }

    /// Whether a plugin is on.
    pub fn has_plugin(&self, name: &str) -> bool {
        self.plugins.iter().any(|plugin| plugin == name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_may_be_texts_and_unknown_ones_are_warnings() {
        let given = [
            ("ckan.auth.create_unowned_dataset", json!("true")),
            ("ckan.search.rows_max", json!("500")),
            ("ckan.plugins", json!("image_view pdf_view")),
            ("ckan.hide_version", json!("maybe")),
            ("ckan.nonsense", json!(1)),
        ];
        let given = given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let (options, warnings) = SiteOptions::read(&given);
        assert!(options.create_unowned_dataset && options.rows_max == 500 && options.has_plugin("pdf_view") && !options.hide_version);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }
}
