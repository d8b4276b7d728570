//! One call of one action.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use madang_kit::{
    Context, Error, Id, Principal, Result, Tx,
    audit::{self, Record},
    ckan::{Dict, Outcome, Refusal, SiteOptions, required, text},
    db::Source,
    idempotency::{self, Claim, Ticket},
};
use madang_lake::TableId;
use madang_proto::catalog::v1::{ActRequest, ActResponse, act_response};
use serde_json::{Value, json};

use super::{actions, upload::Uploaded};
use crate::{
    Catalog,
    permission::{self, Action},
    publish,
    store::{organization::Capacity, thing::Reader},
};

/// What an action works with.
pub(crate) struct Act {
    pub(crate) catalog: Catalog,
    pub(crate) context: Context,
    pub(crate) site: Arc<SiteOptions>,
    /// The action's name.
    pub(crate) action: String,
    pub(crate) dict: Dict,
    /// What links begin with.
    pub(crate) site_url: String,
    pub(crate) source: Source,
    pub(crate) reader: Reader,
    /// The caller's name; empty without a credential. Refusals show it.
    pub(crate) user: String,
    pub(crate) now: DateTime<Utc>,
    /// Stored files that came with it.
    pub(crate) uploads: Vec<Uploaded>,
    /// Whether something waits to be loaded.
    pub(crate) wishes: bool,
    /// An answer that is JSON already, in place of what the handler gives: a large one is not read to be written again.
    pub(crate) written: Option<String>,
    reads: bool,
    ticket: Option<Ticket>,
    /// What a repeated request was answered.
    earlier: Option<ActResponse>,
    /// Nothing is to be kept of what was done, though it could be done.
    pub(crate) is_trial: bool,
    /// A table whose publish is decided: it is applied when the transaction has ended.
    pub(crate) published: Option<TableId>,
}

/// Does what a request says, with files that are stored already.
pub(crate) async fn act(catalog: &Catalog, context: Context, request: ActRequest, uploads: Vec<Uploaded>) -> Result<ActResponse> {
    let reader = permission::reader(&catalog.db, &context.principal).await?;
    let dict = serde_json::from_slice(&request.dict).map_err(Error::internal)?;
    let mut act = Act { uploads, ..Act::new(catalog, context, &request, dict, Source::from(&catalog.db), reader) };
    if !act.reads
        && !actions::begins_itself(&act.action)
        && let Err(refusal) = act.begin().await
    {
        return act.refused(refusal).await;
    }
    let outcome = match actions::handler(&mut act) {
        Some(handler) => handler.await,
        None => Err(Refusal::Unknown),
    };
    match outcome {
        Ok(value) => act.end(value).await,
        Err(refusal) => act.refused(refusal).await,
    }
}

/// The answer to a refused action.
pub(crate) fn refused(refusal: Refusal) -> Result<ActResponse> {
    Ok(ActResponse { outcome: Some(act_response::Outcome::Refusal(refusal.wire()?)) })
}

impl Act {
    /// A call of an action.
    pub(crate) fn new(catalog: &Catalog, context: Context, request: &ActRequest, dict: Dict, source: Source, reader: Reader) -> Self {
        Self {
            site: catalog.site.clone(),
            user: context.principal.name.clone(),
            now: catalog.clock.now(),
            catalog: catalog.clone(),
            action: request.action.clone(),
            dict,
            site_url: request.site_url.clone(),
            uploads: Vec::new(),
            wishes: false,
            written: None,
            reads: request.reads,
            context,
            source,
            reader,
            ticket: None,
            earlier: None,
            is_trial: false,
            published: None,
        }
    }

    /// What shows things to the house itself: nobody asked, and links begin with `site_url`.
    pub(crate) fn of_the_house(catalog: &Catalog, site_url: &str) -> Self {
        let context = Context::new(Principal::service("catalog"));
        let request = ActRequest { site_url: site_url.to_owned(), reads: true, ..ActRequest::default() };
        let reader = Reader::new(&context.principal, true);
        let house = Self::new(catalog, context, &request, Dict::new(), Source::from(&catalog.db), reader);
        Self { user: String::new(), ..house }
    }

    /// Begins the transaction in which everything happens. A repeated request ends here, with the earlier answer.
    pub(crate) async fn begin(&mut self) -> Outcome<()> {
        let mut tx = self.catalog.db.begin().await?;
        match idempotency::claim(&mut tx, &self.catalog.clock, &self.context, &format!("Act:{}", self.action)).await? {
            Claim::New(ticket) => self.ticket = Some(ticket),
            Claim::Done(answer) => {
                self.earlier = Some(answer);
                return Err(Refusal::Unknown);
            }
        }
        self.source = Source::Tx(tx);
        Ok(())
    }

    /// Gives the transaction up, to begin another one.
    pub(crate) fn give_up(&mut self) {
        self.source = Source::from(&self.catalog.db);
        self.ticket = None;
    }

    /// The transaction.
    pub(crate) fn tx(&mut self) -> Outcome<&mut Tx> {
        match &mut self.source {
            Source::Tx(tx) => Ok(tx),
            Source::Db(_) => Err(Error::internal("an action that writes has not begun").into()),
        }
    }

    async fn refused(self, refusal: Refusal) -> Result<ActResponse> {
        if let Some(answer) = self.earlier {
            return Ok(answer);
        }
        if let Source::Tx(tx) = &self.source {
            tx.settled().await?; // it may tell of what others did
        }
        refused(refusal)
    }

    /// Writes the audit record, keeps the answer for repetitions, makes all of it durable.
    async fn end(mut self, value: Value) -> Result<ActResponse> {
        let bytes = match self.written.take() {
            Some(text) => text.into_bytes(),
            None => serde_json::to_vec(&value).map_err(Error::internal)?,
        };
        let answer = ActResponse { outcome: Some(act_response::Outcome::Result(bytes.into())) };
        if self.is_trial {
            return Ok(answer);
        }
        let named = || ["id", "resource_id"].iter().find_map(|name| text(&self.dict, name));
        let thing = value["id"].as_str().map(str::to_owned).or_else(named).unwrap_or_default();
        if let (Source::Tx(tx), Some(ticket)) = (&mut self.source, self.ticket) {
            let record = Record { action: &format!("ckan.{}", self.action), thing, detail: json!({}) };
            audit::write(tx, &self.catalog.clock, &self.context, record).await?;
            ticket.record(tx, &answer).await?;
        }
        if let Source::Tx(tx) = self.source {
            tx.commit().await?;
        }
        if self.wishes {
            self.catalog.loads.ring();
        }
        if let Some(table) = self.published {
            publish::roll_forward_later(&self.catalog, &table).await;
        }
        Ok(answer)
    }

    /// Whether the caller may do something.
    pub(crate) async fn may(&mut self, action: Action<'_>) -> Outcome<bool> {
        Ok(permission::may(&mut self.source, &self.site, &self.reader, action).await?)
    }

    /// Whether the caller has at least a role in a group.
    pub(crate) async fn has_role(&mut self, group: &str, needed: Capacity) -> Outcome<bool> {
        self.may(Action::InOrganization { organization: group, needed }).await
    }

    /// Whether nobody asks.
    pub(crate) fn is_nobody(&self) -> bool {
        self.reader.is_nobody()
    }

    /// Whether an administrator asks.
    pub(crate) fn is_sysadmin(&self) -> bool {
        self.reader.admin
    }

    /// Refuses callers without a credential, as actions that write do (ckan.md 2.4).
    pub(crate) fn demand_login(&self) -> Outcome<()> {
        if self.is_nobody() {
            return Err(Refusal::Denied(format!("Action {} requires an authenticated user", self.action)));
        }
        Ok(())
    }

    /// Refuses everybody but administrators.
    pub(crate) fn demand_sysadmin(&self) -> Outcome<()> {
        if !self.reads {
            self.demand_login()?;
        }
        if self.is_sysadmin() { Ok(()) } else { Err(Refusal::denied()) }
    }

    /// `User X not authorized to …`
    pub(crate) fn not_authorized(&self, to: &str) -> Refusal {
        Refusal::Denied(format!("User {} not authorized to {to}", self.user))
    }

    /// A required text of the dictionary.
    pub(crate) fn required(&self, name: &str) -> Outcome<String> {
        required(&self.dict, name)
    }

    /// A text of the dictionary.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        text(&self.dict, name)
    }

    /// A parameter that is true or false.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Outcome<bool> {
        madang_kit::ckan::flag(&self.dict, name, default)
    }

    /// A parameter that counts something, at most `limit`.
    pub(crate) fn natural(&self, name: &str, default: i64, limit: i64) -> Outcome<i64> {
        Ok(madang_kit::ckan::natural(&self.dict, name)?.unwrap_or(default).min(limit))
    }

    /// The id that a new thing gets: a given one is for administrators.
    ///
    /// # Errors
    /// What `id` breaks, as a message.
    pub(crate) fn new_id(&self, dict: &Dict) -> std::result::Result<String, &'static str> {
        match text(dict, "id").filter(|id| !id.is_empty()) {
            None => Ok(Id::generate().to_string()),
            Some(_) if !self.is_sysadmin() => Err("The input field id was not expected."),
            Some(id) => id.parse::<Id>().map(|id| id.to_string()).map_err(|_| "Invalid id provided"),
        }
    }
}

/// Texts of a parameter that is a list, one text, or a text of JSON.
pub(crate) fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(madang_kit::ckan::text_of).collect(),
        Some(Value::String(text)) if text.starts_with('[') => match serde_json::from_str::<Vec<String>>(text) {
            Ok(list) => list,
            Err(_) => vec![text.clone()],
        },
        Some(Value::String(text)) if !text.is_empty() => vec![text.clone()],
        _ => Vec::new(),
    }
}
