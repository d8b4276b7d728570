//! Users on their way to the catalogue, which keeps a read-only copy of them.

use std::{sync::Arc, time::Duration};

use madang_kit::{
    Context, Drain, Principal, Result,
    error::chain,
    housekeeping,
    rpc::{self, Channel},
    time,
};
use madang_proto::catalog::v1::{PutUserRequest, users_client::UsersClient};

use super::{Identity, store};

const AT_ONCE: i64 = 200;
const PUSH_EVERY: Duration = Duration::from_secs(1);
const NOW: Duration = Duration::from_secs(10);

/// Pushes changed users until the process drains.
pub(crate) struct Relay {
    identity: Identity,
    catalog: UsersClient<Channel>,
}

impl Relay {
    pub(crate) fn new(identity: Identity, catalog: Channel) -> Self {
        Self { identity, catalog: UsersClient::new(catalog) }
    }

    /// Pushes the waiting users, so that a new hub knows its first user when it says that it is ready; then goes on in the
    /// background. A catalogue that is away does not hold the gateway up.
    pub(crate) async fn start(self, drain: &Drain) -> Arc<Self> {
        let relay = Arc::new(self);
        relay.push_now().await;
        let pushing = relay.clone();
        housekeeping::every(PUSH_EVERY, drain, "users not pushed to the catalogue yet", move || {
            let relay = pushing.clone();
            async move { relay.push().await }
        });
        relay
    }

    /// Pushes the waiting users, so that whoever changed one finds the change everywhere; if the catalogue is away, they are pushed
    /// later.
    pub(crate) async fn push_now(&self) {
        match tokio::time::timeout(NOW, self.push()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = %chain(&error), "users not pushed to the catalogue yet"),
            Err(_) => tracing::warn!("users not pushed to the catalogue yet: it does not answer"),
        }
    }

    async fn push(&self) -> Result<()> {
        loop {
            let users = store::outbox(&self.identity.db, AT_ONCE).await?;
            if users.is_empty() {
                return Ok(());
            }
            let context = Context::new(Principal::service("gateway"));
            for user in users {
                let (id, revision) = (user.id.clone(), user.revision);
                self.catalog.clone().put_user(rpc::request(&context, wire(user))).await?;
                let mut tx = self.identity.db.begin().await?;
                store::acknowledge(&mut tx, &id, revision).await?;
                tx.commit().await?;
            }
        }
    }
}

fn wire(user: store::User) -> PutUserRequest {
    PutUserRequest {
        id: user.id,
        name: user.name,
        full_name: user.full_name,
        email: user.email,
        state: user.state,
        sysadmin: user.sysadmin,
        service: user.service,
        revision: user.revision,
        groups: user.groups.0,
        created_at: Some(time::wire(user.created_at)),
        about: user.about,
        image_url: user.image_url,
        site_user: user.site_user,
    }
}
