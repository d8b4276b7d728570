//! Users as CKAN shows them, from the copy of the gateway's.

use chrono::{DateTime, Utc};
use madang_kit::{Result, db::Source};
use sqlx::types::Json;

use super::listed;

/// A person.
#[derive(Clone, Debug, sqlx::FromRow)]
#[expect(clippy::struct_field_names, reason = "CKAN's names")]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) full_name: String,
    pub(crate) email: String,
    pub(crate) state: String,
    pub(crate) sysadmin: bool,
    pub(crate) about: Option<String>,
    pub(crate) image_url: Option<String>,
    pub(crate) created_at: Option<DateTime<Utc>>,
    pub(crate) site_user: bool,
}

impl User {
    /// Full name, or name.
    pub(crate) fn display_name(&self) -> &str {
        if self.full_name.trim().is_empty() { &self.name } else { &self.full_name }
    }
}

const SELECT: &str = "SELECT u.id, u.name, u.full_name, u.email, u.state, u.sysadmin, u.about, u.image_url, u.created_at, u.site_user
    FROM user_account u WHERE NOT u.service";

/// A person by id or name, in any state.
pub(crate) async fn find(source: &mut Source, word: &str) -> Result<Option<User>> {
    let text = format!("{SELECT} AND (u.id = $1 OR u.name = $1) ORDER BY CASE WHEN u.id = $1 THEN 0 ELSE 1 END LIMIT 1");
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(word.to_owned()).opt().await?)
}

/// People by id or name.
pub(crate) async fn with_words(source: &mut Source, words: Vec<String>) -> Result<Vec<User>> {
    let list = listed(source);
    let text = format!("{SELECT} AND (u.id IN ({list}) OR u.name IN ({list}))");
    Ok(source.query(sqlx::AssertSqlSafe(text)).bind(Json(words)).all().await?)
}

/// People that are not deleted: a part of the name in lower case, an e-mail, whether the site user counts, whether the e-mail is
/// searched too.
pub(crate) async fn list(source: &mut Source, like: &str, email: &str, site_user: bool, by_email: bool) -> Result<Vec<User>> {
    let text = format!(
        "{SELECT} AND u.state <> 'deleted' AND ($3 OR NOT u.site_user) AND ($2 = '' OR lower(u.email) = $2)
           AND (lower(u.name) LIKE $1 ESCAPE '\\' OR lower(u.full_name) LIKE $1 ESCAPE '\\' OR ($4 AND lower(u.email) LIKE $1 ESCAPE '\\'))"
    );
    let query = source.query(sqlx::AssertSqlSafe(text)).bind(like.to_owned()).bind(email.to_owned());
    Ok(query.bind(site_user).bind(by_email).all().await?)
}
