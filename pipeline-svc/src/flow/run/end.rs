//! The end of a flow, and who may read its files from then on.

use madang_kit::{Result, Tx};
use madang_proto::pipeline::v1::Findability;

use super::Running;
use crate::{
    flow::{descriptor, fetch},
    store::flow::{self as store, State, claim, file as files, publication},
};

impl Running<'_> {
    /// Ends the flow, in the transaction that ends its last pipeline: whoever hears of that end finds the files as they are to be.
    pub(super) async fn end(&self, tx: &mut Tx, success: bool) -> Result<()> {
        let (request, now) = (&self.claim.request, self.flows.clock.now());
        claim::finish(tx, self.claim, success, now).await?;
        if success {
            self.give_access(tx).await?;
            publication::insert(tx, request, now).await?;
        }
        Ok(())
    }

    /// Who may read the files from now on. The latest revision that succeeded decides: if it is private, so are all files of the dataset;
    /// else everybody may read what it names itself, and nothing else, so an earlier private revision stays private. The ends of flows come one
    /// after the other, because each of them holds the counter of events by now.
    async fn give_access(&self, tx: &mut Tx) -> Result<()> {
        let request = &self.claim.request;
        let later = store::later(tx, request).await?;
        match (request.findability(), later) {
            (Findability::Private | Findability::Unspecified, None) => files::hide(tx, &request.owner_id, &request.dataset).await,
            (Findability::Published | Findability::Unlisted, None | Some(Findability::Published | Findability::Unlisted)) => {
                files::show(tx, &request.owner_id, &request.dataset, &self.named_keys()).await
            }
            _ => Ok(()), // they were born private
        }
    }

    /// Keys of all files that the flow names: what it made, its descriptors, and what its owner brought for it.
    fn named_keys(&self) -> Vec<String> {
        let request = &self.claim.request;
        let descriptors = request.artifacts.iter().map(|artifact| descriptor::key(request, artifact));
        let made = self.made.values().map(|made| made.key.clone()).filter(|key| !key.is_empty());
        let brought = request.sources.iter().filter_map(|source| fetch::uploaded(source)).map(str::to_owned);
        descriptors.chain(made).chain(brought).collect()
    }

    /// Ends a flow that has no pipelines.
    pub(super) async fn end_empty(&self) -> Result<()> {
        let mut tx = self.flows.db.begin().await?;
        if self.states.is_empty() && claim::hold(&mut tx, self.claim).await? {
            self.end(&mut tx, false).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// How the flow ends with this pipeline's end; none if others are open.
    pub(super) fn outcome(&self, pipeline: &str, success: bool) -> Option<bool> {
        let mut others = self.states.iter().filter(|(id, _)| *id != pipeline).map(|(_, state)| *state);
        let all = others.clone().all(|state| state != State::Open);
        all.then(|| success && others.all(|state| state == State::Succeeded))
    }
}
