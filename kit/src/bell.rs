//! Wakes those who wait for something, in this process and, on PostgreSQL, in every other one on the same database.
//!
//! A bell says "look", not what there is to see: a ring that gets lost costs time, never work, because whoever waits looks around
//! now and then anyway. Ring after the commit; PostgreSQL makes transactions that notify wait for one another.

use std::{sync::Arc, time::Duration};

use sqlx::postgres::PgListener;
use tokio::sync::{Notify, futures::Notified};

use crate::{Db, Drain, Id, error::chain};

const RECONNECT_AFTER: Duration = Duration::from_secs(2);

/// One bell; clones ring and hear the same one.
#[derive(Clone, Debug)]
pub struct Bell(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The channel's name.
    name: &'static str,
    /// Tells our own rings from those of others.
    process: String,
    local: Notify,
    db: Db,
}

impl Bell {
    /// Hangs up a bell; its name is a constant of letters and underscores.
    pub fn new(name: &'static str, db: &Db, drain: &Drain) -> Self {
        let bell = Self(Arc::new(Inner { name, process: Id::generate().to_string(), local: Notify::new(), db: db.clone() }));
        if let Db::Postgres(pool) = db {
            let (bell, pool, stop) = (bell.clone(), pool.clone(), drain.token());
            drain.spawn(async move {
                while stop.run_until_cancelled(bell.pass_on(&pool)).await.is_some() {
                    let _ = stop.run_until_cancelled(tokio::time::sleep(RECONNECT_AFTER)).await;
                }
            });
        }
        bell
    }

    /// Wakes one who waits here, or the next who comes to wait; and one in every other process.
    pub fn ring(&self) {
        self.0.local.notify_one();
        if let Db::Postgres(pool) = &self.0.db {
            let (pool, name, process) = (pool.clone(), self.0.name, self.0.process.clone());
            tokio::spawn(async move {
                let told = sqlx::query("SELECT pg_notify($1, $2)").bind(name).bind(process).execute(&pool).await;
                if let Err(error) = told {
                    tracing::debug!(bell = name, error = %chain(&error), "other processes were not woken");
                }
            });
        }
    }

    /// Ends when the bell has rung.
    pub fn heard(&self) -> Notified<'_> {
        self.0.local.notified()
    }

    /// Listens to other processes until the connection is lost.
    async fn pass_on(&self, pool: &sqlx::PgPool) {
        let listened: sqlx::Result<()> = async {
            let mut listener = PgListener::connect_with(pool).await?;
            listener.listen(self.0.name).await?;
            self.0.local.notify_one(); // what rang before
            loop {
                if listener.recv().await?.payload() != self.0.process {
                    self.0.local.notify_one();
                }
            }
        }
        .await;
        if let Err(error) = listened {
            tracing::warn!(bell = self.0.name, error = %chain(&error), "other processes are not heard");
        }
    }
}
