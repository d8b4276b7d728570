//! PostgreSQL databases of a test's own.
//!
//! Made where `cargo xtask test` started a server (`MADANG_TEST_POSTGRES`).

use madang_kit::{Db, Id, db::Durability};
use sqlx::AssertSqlSafe;

const PARTS: &[&str] = &["gateway", "catalog", "pipeline", "survey"];

/// One empty database a part.
pub(crate) struct Databases {
    maintenance: Db,
    server: String,
    prefix: String,
}

impl Databases {
    /// None without a server.
    pub(crate) async fn new() -> Option<Self> {
        let url = std::env::var("MADANG_TEST_POSTGRES").ok()?;
        let maintenance = Db::connect(&url, Durability::Fast).await.expect("PostgreSQL answers");
        let (server, _) = url.rsplit_once('/').expect("a database name");
        let databases = Self { maintenance, server: server.to_owned(), prefix: format!("command_{}", Id::generate().ulid_lower()) };
        databases.each("CREATE DATABASE", "").await;
        Some(databases)
    }

    /// The settings of a hub that uses them.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let url = |part: &str| format!("{}/{}_{part}", self.server, self.prefix);
        PARTS.iter().map(|part| (format!("MADANG_{}_DATABASE_URL", part.to_uppercase()), url(part))).collect()
    }

    pub(crate) async fn remove(self) {
        self.each("DROP DATABASE", "WITH (FORCE)").await;
    }

    async fn each(&self, before: &str, after: &str) {
        for part in PARTS {
            let text = AssertSqlSafe(format!("{before} {}_{part} {after}", self.prefix));
            self.maintenance.query(text).run().await.expect("PostgreSQL does it");
        }
    }
}
