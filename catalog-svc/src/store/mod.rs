//! The catalogue's tables in its own database: one file per thing, nothing but SQL.

pub(crate) mod ckan;
pub(crate) mod dataset;
pub(crate) mod datastore;
pub(crate) mod file;
pub(crate) mod load;
pub(crate) mod organization;
pub(crate) mod publish;
pub(crate) mod schema_version;
pub(crate) mod search;
pub(crate) mod table;
pub(crate) mod tail;
pub(crate) mod thing;
pub(crate) mod upkeep;
pub(crate) mod user;

use madang_kit::db::Migrations;
use sqlx::migrate::Migrator;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// The catalogue's migrations.
pub(crate) static MIGRATIONS: Migrations = Migrations { sqlite: &SQLITE, postgres: &POSTGRES };
