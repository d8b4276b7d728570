//! The pipelines' tables in their own database: one file per thing, nothing but SQL.

pub(crate) mod bucket;
pub(crate) mod checkpoint;
pub(crate) mod claim;
pub(crate) mod connection;
pub(crate) mod execution;
pub(crate) mod firing;
pub(crate) mod flow;
pub(crate) mod job;
pub(crate) mod job_publish;
pub(crate) mod record;
pub(crate) mod registration;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod script;
pub(crate) mod thing;
pub(crate) mod trigger;
pub(crate) mod workflow;

use madang_kit::db::Migrations;
use sqlx::migrate::Migrator;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// The pipelines' migrations.
pub(crate) static MIGRATIONS: Migrations = Migrations { sqlite: &SQLITE, postgres: &POSTGRES };
